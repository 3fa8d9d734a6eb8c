#!/usr/bin/env python3
"""usage: first_rank.py NAMES OUTPUT: a definition of each name in the list that has rank 0 make the
call, and one for the rooms below, which make theirs themselves."""
import sys

HEAD = '''// Made by first_rank.py.
#include "preload/forward.hpp"
#include "preload/real.hpp"

using gallocy::preload::AnyFunction;
using gallocy::preload::Real;

namespace {

long made(const Real<AnyFunction>& real, long a, long b, long c, long d, long e, long f) {
  if (gallocy::preload::is_away())
    return gallocy::preload::call_on_first(real.get(), a, b, c, d, e, f);
  return real(a, b, c, d, e, f);
}

}  // namespace
'''

# Known to the compiler under another name, since the headers declare other types.
CALL = '''
namespace {{ constinit Real<AnyFunction> real_{name}("{name}"); }}
extern "C" {{
__attribute__((visibility("default"))) AnyFunction taken_{name} asm("{name}");
AnyFunction own_{name} asm("__wrap_{name}");
long taken_{name}(long a, long b, long c, long d, long e, long f) {{
  return made(real_{name}, a, b, c, d, e, f);
}}
long own_{name}(long a, long b, long c, long d, long e, long f) {{
  return real_{name}(a, b, c, d, e, f);
}}
}}
'''


def main():
    listed, output = sys.argv[1:]
    with open(listed, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    with open(output, "w", encoding="utf-8") as file:
        file.write(HEAD + "".join(CALL.format(name=name) for name in " ".join(lines).split()))


main()
