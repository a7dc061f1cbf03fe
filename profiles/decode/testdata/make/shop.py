"""The workload behind the Python fixtures: a shop that prices orders.

Its hot spots are known: price() is called from two places, Cart.total and
Order.total share a name, fib() recurses.
"""
import json


class Cart:
    def __init__(self, n):
        self.items = list(range(n))

    def total(self):
        return sum(price(i) for i in self.items)


class Order:
    def __init__(self, cart):
        self.cart = cart

    def total(self):
        return self.cart.total() + fib(12)


def price(i):
    return len(json.dumps({"item": i, "price": i * 3.5}))


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def handle(n):
    order = Order(Cart(n))
    return order.total() + price(n)


def work(rounds=30):
    return sum(handle(40) for _ in range(rounds))
