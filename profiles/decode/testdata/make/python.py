"""Makes the Python fixtures with the real tools, into the folder above it:

    mkdir -p /srv/app/make && cp shop.py python.py /srv/app/make && cd /srv/app/make
    /usr/bin/python3 python.py      (Debian: python3-yappi python3-objgraph)
"""
import contextlib
import cProfile
import io
import json
import os
import profile
import tracemalloc

import objgraph
import yappi

import shop

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def out(name):
    return os.path.join(OUT, name)


def cprofile():
    p = cProfile.Profile()
    p.runcall(shop.work)
    p.dump_stats(out("cprofile.pstats"))
    p = profile.Profile()
    p.runcall(shop.work, 5)
    p.dump_stats(out("profile.pstats"))


def with_yappi():
    yappi.set_clock_type("wall")
    yappi.start(builtins=True)
    shop.work()
    yappi.stop()
    stats = yappi.get_func_stats()
    stats.save(out("yappi.pstat"), type="pstat")
    stats.save(out("yappi.callgrind"), type="callgrind")
    yappi.clear_stats()


# What a service's debug endpoint answers with (its own code, verbatim).
def get_memory_snapshot():
    """Take a snapshot and return top allocations."""
    snapshot = tracemalloc.take_snapshot()
    stats = snapshot.statistics("lineno")

    result = []
    for stat in stats[:20]:
        result.append({
            "file": stat.traceback.format()[0],
            "size_kb": stat.size / 1024,
            "count": stat.count,
        })
    return result


def memory():
    tracemalloc.start(25)
    kept = [shop.Cart(50) for _ in range(20)]
    before = get_memory_snapshot()
    leak = [shop.Cart(200) for _ in range(100)]
    after = get_memory_snapshot()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    for name, rows in (("tracemalloc.json", before), ("tracemalloc-later.json", after)):
        with open(out(name), "w") as f:
            json.dump(rows, f)
    snapshot = snapshot.filter_traces([tracemalloc.Filter(True, "*shop.py")])
    snapshot.dump(out("tracemalloc.snapshot"))
    total = sum(t.size for t in snapshot.traces)
    with open(out("tracemalloc.snapshot.totals"), "w") as f:
        json.dump({"count": len(snapshot.traces), "size": total}, f)
    return kept, leak


def growth():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        objgraph.show_growth(limit=10)
        kept = [shop.Cart(3) for _ in range(50)]
        kept += [{i: shop.Order(i)} for i in range(30)]
        print()
        objgraph.show_growth(limit=10)
    second = text.getvalue().split("\n\n")[-1]
    with open(out("objgraph.txt"), "w") as f:
        f.write(second)
    with open(out("objgraph-common.txt"), "w") as f:
        objgraph.show_most_common_types(limit=10, file=f)
    return kept


cprofile()
with_yappi()
memory()
growth()
