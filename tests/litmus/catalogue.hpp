// The litmus catalogue of x86-64: small programs of two to four threads, for each the outcome that
// tells memory models apart, and whether it may be seen. All variables begin as 0. A read goes into
// the next register: r0 is the first read of the first thread, numbered on through all threads.
//
// A name tells the cycle that the outcome would be: what is behind the first + says how a thread's
// accesses are linked: po, program order; mfence; rfi-po, it reads its own write first; po-rfi-po,
// it writes and reads one more variable first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace litmus {

constexpr size_t thread_count_max = 4;
constexpr size_t op_count_max = 4;
constexpr size_t register_count_max = 4;
constexpr size_t variable_count = 3;

enum Variable : uint8_t { x, y, z };
enum class Kind : uint8_t { none, write, read, fence };

struct Op {
  Kind kind = Kind::none;
  Variable variable = x;
  uint8_t value = 0;
};
constexpr Op W(Variable variable, uint8_t value) { return {Kind::write, variable, value}; }
constexpr Op R(Variable variable) { return {Kind::read, variable, 0}; }
constexpr Op mfence{Kind::fence, x, 0};

// Of the outcome in question. Never under sequential consistency, all of them.
enum class Verdict : uint8_t { never, tso_allows };

constexpr uint8_t any = 255;
struct Asked {
  std::array<uint8_t, register_count_max> registers{any, any, any, any};
  std::array<uint8_t, variable_count> finals{any, any, any};

  constexpr Asked with_final(Variable variable, uint8_t value) const {
    Asked more = *this;
    more.finals[variable] = value;
    return more;
  }
};
constexpr Asked regs(uint8_t r0 = any, uint8_t r1 = any, uint8_t r2 = any, uint8_t r3 = any) {
  return {{r0, r1, r2, r3}, {any, any, any}};
}

using Program = std::array<Op, op_count_max>;

struct Test {
  const char* name;
  Verdict verdict;
  std::array<Program, thread_count_max> threads;
  Asked asked;

  constexpr size_t thread_count() const {
    size_t count = 0;
    while (count < thread_count_max && threads[count][0].kind != Kind::none) ++count;
    return count;
  }
  // The number of the register of the thread's first read.
  constexpr size_t first_register(size_t thread) const {
    size_t count = 0;
    for (size_t before = 0; before < thread; ++before) {
      for (const Op& op : threads[before]) count += op.kind == Kind::read ? 1 : 0;
    }
    return count;
  }
  constexpr size_t register_count() const { return first_register(thread_count_max); }
};

constexpr Verdict never = Verdict::never;
constexpr Verdict tso_allows = Verdict::tso_allows;

// clang-format off
constexpr Test catalogue[] = {
  {"2+2W", never,
   {{{W(x, 2), W(y, 1)}, {W(y, 2), W(x, 1)}}},
   regs().with_final(x, 2).with_final(y, 2)},
  {"LB", never,
   {{{R(x), W(y, 1)}, {R(y), W(x, 1)}}},
   regs(1, 1)},
  {"MP", never,
   {{{W(x, 1), W(y, 1)}, {R(y), R(x)}}},
   regs(1, 0)},
  {"MP+po+po-rfi-po", never,
   {{{W(x, 1), W(y, 1)}, {R(y), W(z, 1), R(z), R(x)}}},
   regs(1, 1, 0)},
  {"R+po+mfence", never,
   {{{W(x, 1), W(y, 1)}, {W(y, 2), mfence, R(x)}}},
   regs(0).with_final(y, 2)},
  {"RWC+po+mfence", never,
   {{{W(x, 1)}, {R(x), R(y)}, {W(y, 1), mfence, R(x)}}},
   regs(1, 0, 0)},
  {"S", never,
   {{{W(x, 2), W(y, 1)}, {R(y), W(x, 1)}}},
   regs(1).with_final(x, 2)},
  {"SB+mfences", never,
   {{{W(x, 1), mfence, R(y)}, {W(y, 1), mfence, R(x)}}},
   regs(0, 0)},
  {"WRC", never,
   {{{W(x, 1)}, {R(x), W(y, 1)}, {R(y), R(x)}}},
   regs(1, 1, 0)},
  {"WRR+2W", never,
   {{{W(x, 2)}, {R(x), R(y)}, {W(y, 1), W(x, 1)}}},
   regs(2, 0).with_final(x, 2)},
  {"WRW+2W", never,
   {{{W(x, 2)}, {R(x), W(y, 1)}, {W(y, 2), W(x, 1)}}},
   regs(2).with_final(x, 2).with_final(y, 2)},
  {"WRW+WR+po+mfence", never,
   {{{W(x, 1)}, {R(x), W(y, 1)}, {W(y, 2), mfence, R(x)}}},
   regs(1, 0).with_final(y, 2)},
  {"WWC", never,
   {{{W(x, 2)}, {R(x), W(y, 1)}, {R(y), W(x, 1)}}},
   regs(2, 1).with_final(x, 2)},
  {"IRIW", never,
   {{{W(x, 1)}, {R(x), R(y)}, {W(y, 1)}, {R(y), R(x)}}},
   regs(1, 0, 1, 0)},
  {"CoRR", never,
   {{{W(x, 1)}, {R(x), R(x)}}},
   regs(1, 0)},

  {"R", tso_allows,
   {{{W(x, 1), W(y, 1)}, {W(y, 2), R(x)}}},
   regs(0).with_final(y, 2)},
  {"R+po+po-rfi-po", tso_allows,
   {{{W(x, 1), W(y, 1)}, {W(y, 2), W(z, 1), R(z), R(x)}}},
   regs(1, 0).with_final(y, 2)},
  {"R+po+rfi-po", tso_allows,
   {{{W(x, 1), W(y, 1)}, {W(y, 2), R(y), R(x)}}},
   regs(2, 0).with_final(y, 2)},
  {"RWC", tso_allows,
   {{{W(x, 1)}, {R(x), R(y)}, {W(y, 1), R(x)}}},
   regs(1, 0, 0)},
  {"RWC+po+rfi-po", tso_allows,
   {{{W(x, 1)}, {R(x), R(y)}, {W(y, 1), R(y), R(x)}}},
   regs(1, 0, 1, 0)},
  {"SB", tso_allows,
   {{{W(x, 1), R(y)}, {W(y, 1), R(x)}}},
   regs(0, 0)},
  {"SB+mfence+po", tso_allows,
   {{{W(x, 1), mfence, R(y)}, {W(y, 1), R(x)}}},
   regs(0, 0)},
  {"SB+mfence+po-rfi-po", tso_allows,
   {{{W(x, 1), mfence, R(y)}, {W(y, 1), W(z, 1), R(z), R(x)}}},
   regs(0, 1, 0)},
  {"SB+mfence+rfi-po", tso_allows,
   {{{W(x, 1), mfence, R(y)}, {W(y, 1), R(y), R(x)}}},
   regs(0, 1, 0)},
  {"SB+po+po-rfi-po", tso_allows,
   {{{W(x, 1), R(y)}, {W(y, 1), W(z, 1), R(z), R(x)}}},
   regs(0, 1, 0)},
  {"SB+po+rfi-po", tso_allows,
   {{{W(x, 1), R(y)}, {W(y, 1), R(y), R(x)}}},
   regs(0, 1, 0)},
  {"SB+rfi-po+po-rfi-po", tso_allows,
   {{{W(x, 1), R(x), R(y)}, {W(y, 1), W(z, 1), R(z), R(x)}}},
   regs(1, 0, 1, 0)},
  {"SB+rfi-pos", tso_allows,
   {{{W(x, 1), R(x), R(y)}, {W(y, 1), R(y), R(x)}}},
   regs(1, 0, 1, 0)},
  {"WRW+WR", tso_allows,
   {{{W(x, 1)}, {R(x), W(y, 1)}, {W(y, 2), R(x)}}},
   regs(1, 0).with_final(y, 2)},
  {"WRW+WR+po+rfi-po", tso_allows,
   {{{W(x, 1)}, {R(x), W(y, 1)}, {W(y, 2), R(y), R(x)}}},
   regs(1, 2, 0).with_final(y, 2)},
};
// clang-format on

constexpr size_t test_count = std::size(catalogue);
static_assert(test_count == 30);

// What no catalogue has: MP whose writer writes in the wrong order. Judged as MP it has to fail.
constexpr Test planted = {"MP", never, {{{W(y, 1), W(x, 1)}, {R(y), R(x)}}}, regs(1, 0)};

}  // namespace litmus
