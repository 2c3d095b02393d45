#include <adze/adze.h>

int main() { return 0; }
