#include <stdlib.h>
#include <string.h>
static int price(int i) { char b[64]; memset(b, i, sizeof b); int s = 0; for (int k = 0; k < 64; k++) s += b[k] * k; return s; }
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static int cart(int n) { int s = 0; for (int i = 0; i < n; i++) s += price(i); return s; }
int main(void) { return (cart(50) + price(3) + fib(10)) & 1; }
