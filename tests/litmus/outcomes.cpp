#include "outcomes.hpp"

#include <deque>

namespace litmus {
namespace {

struct Pending {
  Variable variable;
  uint8_t value;
};

struct Machine {
  std::array<uint8_t, variable_count> memory{};
  std::array<uint8_t, register_count_max> registers{};
  std::array<size_t, thread_count_max> next{};
  std::array<size_t, thread_count_max> read_count{};
  std::array<std::deque<Pending>, thread_count_max> buffers;
};

uint8_t seen_by(const Machine& machine, size_t thread, Variable variable) {
  const auto& buffer = machine.buffers[thread];
  for (auto pending = buffer.rbegin(); pending != buffer.rend(); ++pending) {
    if (pending->variable == variable) return pending->value;
  }
  return machine.memory[variable];
}

void write_back(Machine& machine, size_t thread) {
  const Pending oldest = machine.buffers[thread].front();
  machine.buffers[thread].pop_front();
  machine.memory[oldest.variable] = oldest.value;
}

bool can_step(const Test& test, const Machine& machine, size_t thread) {
  const size_t next = machine.next[thread];
  if (next == op_count_max) return false;
  const Kind kind = test.threads[thread][next].kind;
  return kind != Kind::none && (kind != Kind::fence || machine.buffers[thread].empty());
}

void step(const Test& test, Model model, Machine& machine, size_t thread) {
  const Op& op = test.threads[thread][machine.next[thread]++];
  if (op.kind == Kind::read) {
    const size_t number = test.first_register(thread) + machine.read_count[thread]++;
    machine.registers[number] = seen_by(machine, thread, op.variable);
  }
  if (op.kind != Kind::write) return;
  machine.buffers[thread].push_back({op.variable, op.value});
  if (model == Model::sc) write_back(machine, thread);
}

void explore(const Test& test, Model model, const Machine& machine, std::set<Outcome>& found) {
  bool ended = true;
  for (size_t thread = 0; thread < thread_count_max; ++thread) {
    if (can_step(test, machine, thread)) {
      ended = false;
      Machine after = machine;
      step(test, model, after, thread);
      explore(test, model, after, found);
    }
    if (!machine.buffers[thread].empty()) {
      ended = false;
      Machine after = machine;
      write_back(after, thread);
      explore(test, model, after, found);
    }
  }
  if (ended) found.insert({machine.registers, machine.memory});
}

size_t write_count(const Test& test, size_t variable) {
  size_t count = 0;
  for (const Program& program : test.threads) {
    for (const Op& op : program) count += op.kind == Kind::write && op.variable == variable ? 1 : 0;
  }
  return count;
}

// What a register or variable held, by the variable that it was read from.
std::optional<uint8_t> value_of(uint64_t word, uint64_t before, uint64_t number) {
  if (word == before) return 0;
  if (word / 4 != number || word % 4 == 0) return std::nullopt;
  return static_cast<uint8_t>(word % 4);
}

}  // namespace

std::set<Outcome> outcomes_of(const Test& test, Model model) {
  std::set<Outcome> found;
  explore(test, model, Machine{}, found);
  return found;
}

bool is_asked(const Asked& asked, const Outcome& outcome) {
  for (size_t i = 0; i < register_count_max; ++i) {
    if (asked.registers[i] != any && asked.registers[i] != outcome.registers[i]) return false;
  }
  for (size_t i = 0; i < variable_count; ++i) {
    if (asked.finals[i] != any && asked.finals[i] != outcome.finals[i]) return false;
  }
  return true;
}

std::string describe(const Test& test, const Outcome& outcome) {
  std::string text;
  for (size_t i = 0; i < test.register_count(); ++i) {
    text += " r" + std::to_string(i) + "=" + std::to_string(outcome.registers[i]);
  }
  for (size_t i = 0; i < variable_count; ++i) {
    if (write_count(test, i) < 2) continue;
    text += std::string(" ") + "xyz"[i] + "=" + std::to_string(outcome.finals[i]);
  }
  return text.substr(1);
}

std::optional<Outcome> outcome_of(const Test& test, const Observation& observation) {
  Outcome outcome;
  size_t number = 0;
  for (const Program& program : test.threads) {
    for (const Op& op : program) {
      if (op.kind != Kind::read) continue;
      const auto value = value_of(observation.registers[number], observation.before[op.variable],
                                  observation.number);
      if (!value) return std::nullopt;
      outcome.registers[number++] = *value;
    }
  }
  for (size_t i = 0; i < variable_count; ++i) {
    const auto value =
        value_of(observation.finals[i], observation.before[i], observation.number);
    if (!value) return std::nullopt;
    outcome.finals[i] = *value;
  }
  return outcome;
}

}  // namespace litmus
