#include "graph_drawer_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>

namespace adze::fx::drawing {
namespace {

// All in pixels.
constexpr double margin = 12;
constexpr double box_gap = 28;
constexpr double lane_gap = 16;
constexpr double layer_gap = 40;
constexpr double port_gap = 18;
constexpr double port_inset = 14;
constexpr double main_line_weight = 20;  // of its boxes, against lanes and parameters
constexpr int ordering_rounds = 12;
constexpr int placing_rounds = 16;

// A box, or the place where an edge passes through a layer. Edges of one box share their lane.
struct Item {
  std::optional<std::size_t> box = {};
  double width = 0;
  double x = 0;  // of its middle
  std::vector<std::size_t> above = {}, below = {};
  std::size_t layer = 0;
  double rank = 0;  // while ordering

  bool is_lane() const { return !box; }
};

using Layer = std::vector<std::size_t>;

// Positions nearest to `wanted` (least squares, by weight) of which each is `gap[i]` or more behind
// the one before. Pools neighbours that want to pass each other.
std::vector<double> keep_apart(const std::vector<double>& wanted, const std::vector<double>& gap,
                               const std::vector<double>& weight) {
  struct Pool {
    double sum, weight;
    std::size_t count;
    double mean() const { return sum / weight; }
  };
  std::vector<double> offset(wanted.size());
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    offset[i] = i == 0 ? 0 : offset[i - 1] + gap[i];
    pools.push_back({weight[i] * (wanted[i] - offset[i]), weight[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() > pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back().sum += last.sum;
      pools.back().weight += last.weight;
      pools.back().count += last.count;
    }
  }
  std::vector<double> at;
  for (const Pool& p : pools)
    for (std::size_t n = 0; n < p.count; ++n) at.push_back(p.mean() + offset[at.size()]);
  return at;
}

class Layout {
 public:
  Layout(std::vector<Box>& boxes, std::vector<Edge>& edges) : boxes_(boxes), edges_(edges) {}

  Size run() {
    if (boxes_.empty()) return {2 * margin, 2 * margin};
    assign_layers();
    make_lanes();
    order();
    place();
    const Size size = fix();
    lead_edges();
    return size;
  }

 private:
  void assign_layers() {
    for (const std::size_t e : edges_by(&Edge::from)) {
      Box& to = boxes_[edges_[e].to];
      to.layer = std::max(to.layer, boxes_[edges_[e].from].layer + 1);
    }
    std::vector<std::size_t> first_user(boxes_.size());  // its layer; 0: nobody
    const std::vector<std::size_t> order = edges_by(&Edge::from);
    for (auto e = order.rbegin(); e != order.rend(); ++e) {
      const std::size_t from = edges_[*e].from, to = edges_[*e].to;
      const bool last_edge = e + 1 == order.rend() || edges_[*(e + 1)].from != from;
      first_user[from] =
          first_user[from] == 0 ? boxes_[to].layer : std::min(first_user[from], boxes_[to].layer);
      if (last_edge && boxes_[from].floats) boxes_[from].layer = first_user[from] - 1;
    }
  }

  std::vector<std::size_t> edges_by(std::size_t Edge::*end) const {
    std::vector<std::size_t> all(edges_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::stable_sort(all.begin(), all.end(),
                     [&](std::size_t a, std::size_t b) { return edges_[a].*end < edges_[b].*end; });
    return all;
  }

  void link(std::size_t upper, std::size_t lower) {
    items_[upper].below.push_back(lower);
    items_[lower].above.push_back(upper);
  }

  std::size_t add(Item item) {
    items_.push_back(std::move(item));
    const std::size_t layer = items_.back().layer;
    if (layers_.size() <= layer) layers_.resize(layer + 1);
    layers_[layer].push_back(items_.size() - 1);
    return items_.size() - 1;
  }

  void make_lanes() {
    for (std::size_t b = 0; b < boxes_.size(); ++b)
      add({.box = b, .width = boxes_[b].width, .layer = boxes_[b].layer});
    lanes_.resize(boxes_.size());
    for (const Edge& e : edges_) {
      std::vector<std::size_t>& lane = lanes_[e.from];
      const std::size_t first = boxes_[e.from].layer + 1, last = boxes_[e.to].layer;
      std::size_t at = e.from;
      for (std::size_t l = first; l < last; ++l) {
        if (l - first == lane.size()) {
          lane.push_back(add({.layer = l}));
          link(at, lane.back());
        }
        at = lane[l - first];
      }
      link(at, e.to);
    }
  }

  // ---- order within layers
  // -----------------------------------------------------------------------
  void number(const Layer& layer) {
    for (std::size_t i = 0; i < layer.size(); ++i) items_[layer[i]].rank = static_cast<double>(i);
  }

  static std::uint64_t inversions(const std::vector<std::size_t>& list, std::size_t limit) {
    std::vector<std::uint64_t> tree(limit + 1);  // Fenwick: how many so far, by position
    std::uint64_t count = 0, seen = 0;
    for (const std::size_t position : list) {
      std::uint64_t not_behind = 0;
      for (std::size_t i = position + 1; i > 0; i &= i - 1) not_behind += tree[i];
      count += seen++ - not_behind;
      for (std::size_t i = position + 1; i <= limit; i += i & (~i + 1)) ++tree[i];
    }
    return count;
  }

  std::uint64_t crossings() const {
    std::uint64_t count = 0;
    for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
      std::vector<std::size_t> ends;
      for (const std::size_t i : layers_[l]) {
        std::vector<std::size_t> own;
        for (const std::size_t j : items_[i].below)
          own.push_back(static_cast<std::size_t>(items_[j].rank));
        std::sort(own.begin(), own.end());
        ends.insert(ends.end(), own.begin(), own.end());
      }
      count += inversions(ends, layers_[l + 1].size());
    }
    return count;
  }

  void sort_by_neighbours(Layer& layer, std::vector<std::size_t> Item::*side) {
    std::map<std::size_t, double> wanted;
    for (const std::size_t i : layer) {
      const auto& around = items_[i].*side;
      double sum = 0;
      for (const std::size_t j : around) sum += items_[j].rank;
      wanted[i] = around.empty() ? items_[i].rank : sum / static_cast<double>(around.size());
    }
    std::stable_sort(layer.begin(), layer.end(),
                     [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
    number(layer);
  }

  void order() {
    for (const Layer& layer : layers_) number(layer);
    std::vector<Layer> best = layers_;
    std::uint64_t fewest = crossings();
    for (int round = 0; round < ordering_rounds && fewest > 0; ++round) {
      if (round % 2 == 0) {
        for (Layer& layer : layers_) sort_by_neighbours(layer, &Item::above);
      } else {
        for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
          sort_by_neighbours(*layer, &Item::below);
      }
      const std::uint64_t now = crossings();
      if (now >= fewest) continue;
      fewest = now;
      best = layers_;
    }
    layers_ = std::move(best);
    for (const Layer& layer : layers_) number(layer);
  }

  // ---- positions
  // ---------------------------------------------------------------------------------
  double gap(const Item& left, const Item& right) const {
    return (left.width + right.width) / 2 +
           (left.is_lane() || right.is_lane() ? lane_gap : box_gap);
  }

  // Main lines and lanes are to be straight; parameters follow.
  int pull(const Item& a, const Item& b) const {
    if (a.is_lane() && b.is_lane()) return 3;
    const auto beside = [&](const Item& i) { return i.box && !boxes_[*i.box].leads; };
    if (beside(a) || beside(b)) return 0;
    return a.is_lane() || b.is_lane() ? 1 : 2;
  }

  std::optional<double> pulled_to(const Item& item, const std::vector<std::size_t>& around) const {
    int strongest = -1;
    double sum = 0, count = 0;
    for (const std::size_t j : around) {
      const int strength = pull(item, items_[j]);
      if (strength > strongest) {
        strongest = strength;
        sum = count = 0;
      }
      if (strength < strongest) continue;
      sum += items_[j].x;
      count += 1;
    }
    if (count == 0) return std::nullopt;
    return sum / count;
  }

  void place_layer(const Layer& layer, bool downwards) {
    std::vector<double> wanted, gaps, weights;
    for (std::size_t k = 0; k < layer.size(); ++k) {
      const Item& item = items_[layer[k]];
      const auto& first = downwards ? item.above : item.below;
      const auto& second = downwards ? item.below : item.above;
      auto at = pulled_to(item, first);
      if (!at) at = pulled_to(item, second);
      wanted.push_back(at.value_or(item.x));
      gaps.push_back(k == 0 ? 0 : gap(items_[layer[k - 1]], item));
      weights.push_back(item.box && boxes_[*item.box].leads ? main_line_weight : 1);
    }
    const std::vector<double> x = keep_apart(wanted, gaps, weights);
    for (std::size_t k = 0; k < layer.size(); ++k) items_[layer[k]].x = x[k];
  }

  void place() {
    for (const Layer& layer : layers_) {
      for (std::size_t k = 1; k < layer.size(); ++k)
        items_[layer[k]].x = items_[layer[k - 1]].x + gap(items_[layer[k - 1]], items_[layer[k]]);
    }
    for (int round = 0; round < placing_rounds; ++round) {
      for (std::size_t l = 0; l < layers_.size(); ++l) place_layer(layers_[l], true);
      if (round + 1 == placing_rounds) break;
      for (std::size_t l = layers_.size(); l-- > 0;) place_layer(layers_[l], false);
    }
    for (const auto& lane : lanes_) straighten(lane);
  }

  // Puts a whole lane at one x where its neighbours leave room for that.
  void straighten(const std::vector<std::size_t>& lane) {
    if (lane.size() < 2) return;
    double low = -INFINITY, high = INFINITY, sum = 0;
    for (const std::size_t i : lane) {
      const Item& item = items_[i];
      const Layer& layer = layers_[item.layer];
      const auto k = static_cast<std::size_t>(item.rank);
      if (k > 0) low = std::max(low, items_[layer[k - 1]].x + gap(items_[layer[k - 1]], item));
      if (k + 1 < layer.size())
        high = std::min(high, items_[layer[k + 1]].x - gap(item, items_[layer[k + 1]]));
      sum += item.x;
    }
    if (low > high) return;
    const double x = std::clamp(sum / static_cast<double>(lane.size()), low, high);
    for (const std::size_t i : lane) items_[i].x = x;
  }

  Size fix() {
    double left = INFINITY, right = -INFINITY;
    for (const Item& i : items_) {
      left = std::min(left, i.x - i.width / 2);
      right = std::max(right, i.x + i.width / 2);
    }
    double y = margin;
    for (const Layer& layer : layers_) {
      double height = 0;
      for (const std::size_t i : layer)
        if (items_[i].box) height = std::max(height, boxes_[*items_[i].box].height);
      bands_.emplace_back(y, y + height);
      for (const std::size_t i : layer) {
        Item& item = items_[i];
        item.x += margin - left;
        if (!item.box) continue;
        Box& box = boxes_[*item.box];
        box.x = std::floor(item.x - item.width / 2);
        box.y = std::floor(y + (height - box.height) / 2);
      }
      y += height + layer_gap;
    }
    return {std::ceil(right - left + 2 * margin), y - layer_gap + margin};
  }

  // ---- edges
  // ------------------------------------------------------------------------------------- Where
  // edges meet the top or bottom of a box: as near to where they come from as its width allows.
  std::map<std::size_t, double> ports(const Box& box, std::vector<std::size_t> neighbours) const {
    std::stable_sort(neighbours.begin(), neighbours.end(),
                     [&](std::size_t a, std::size_t b) { return items_[a].x < items_[b].x; });
    neighbours.erase(std::unique(neighbours.begin(), neighbours.end()), neighbours.end());
    const double left = box.x + port_inset, right = box.x + box.width - port_inset;
    const double room =
        neighbours.size() < 2 ? 0 : (right - left) / static_cast<double>(neighbours.size() - 1);
    const double step = std::min(port_gap, room);
    std::vector<double> wanted;
    for (const std::size_t n : neighbours) wanted.push_back(std::clamp(items_[n].x, left, right));
    const std::vector<double> x = keep_apart(wanted, std::vector<double>(wanted.size(), step),
                                             std::vector<double>(wanted.size(), 1));
    std::map<std::size_t, double> all;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double before = static_cast<double>(i) * step;
      const double behind = static_cast<double>(x.size() - 1 - i) * step;
      all[neighbours[i]] = std::clamp(x[i], left + before, std::max(left + before, right - behind));
    }
    return all;
  }

  void lead_edges() {
    std::vector<std::map<std::size_t, double>> in(boxes_.size()), out(boxes_.size());
    for (std::size_t b = 0; b < boxes_.size(); ++b) {
      in[b] = ports(boxes_[b], items_[b].above);
      out[b] = ports(boxes_[b], items_[b].below);
    }
    for (Edge& e : edges_) {
      const Box &from = boxes_[e.from], &to = boxes_[e.to];
      const std::size_t passed = to.layer - from.layer - 1;
      const auto& lane = lanes_[e.from];
      const std::size_t second = passed > 0 ? lane[0] : e.to;
      const std::size_t last_but_one = passed > 0 ? lane[passed - 1] : e.from;
      const double start = out[e.from].at(second), end = in[e.to].at(last_but_one);
      e.points = {{start, from.y + from.height}, {start, bands_[from.layer].second}};
      for (std::size_t l = 0; l < passed; ++l) {
        const double x = items_[lane[l]].x;
        e.points.emplace_back(x, bands_[from.layer + 1 + l].first);
        e.points.emplace_back(x, bands_[from.layer + 1 + l].second);
      }
      e.points.emplace_back(end, bands_[to.layer].first);
      e.points.emplace_back(end, to.y);
    }
  }

  std::vector<Box>& boxes_;
  std::vector<Edge>& edges_;
  std::vector<Item> items_;  // boxes first, under their numbers
  std::vector<Layer> layers_;
  std::vector<std::vector<std::size_t>> lanes_;   // by box: its lane in each layer below
  std::vector<std::pair<double, double>> bands_;  // top and bottom of each layer
};

}  // namespace

Size lay_out(std::vector<Box>& boxes, std::vector<Edge>& edges) {
  return Layout(boxes, edges).run();
}

}  // namespace adze::fx::drawing
