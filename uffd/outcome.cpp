#include "uffd/outcome.hpp"

#include <cerrno>

namespace gallocy::uffd {
namespace {

template <class Outcome>
Outcome common_outcome(int code) {
  switch (code) {
    case EAGAIN: return Outcome::blocked_by_event;
    case ENOENT: return Outcome::unmapped;
    case ESRCH: return Outcome::process_gone;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT: return Outcome::out_of_memory;
    default: return Outcome::refused;
  }
}

template <class Outcome>
std::string_view common_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::blocked_by_event: return "blocked_by_event";
    case Outcome::unmapped: return "unmapped";
    case Outcome::process_gone: return "process_gone";
    case Outcome::out_of_memory: return "out_of_memory";
    default: return "refused";
  }
}

}  // namespace

InstallOutcome install_outcome(int code) {
  if (code == 0) return InstallOutcome::installed;
  if (code == EEXIST) return InstallOutcome::already_present;
  return common_outcome<InstallOutcome>(code);
}

MapOutcome map_outcome(int code) {
  if (code == 0) return MapOutcome::installed;
  if (code == EEXIST) return MapOutcome::already_present;
  if (code == EFAULT) return MapOutcome::absent;
  return common_outcome<MapOutcome>(code);
}

ProtectOutcome protect_outcome(int code) {
  return code == 0 ? ProtectOutcome::done : common_outcome<ProtectOutcome>(code);
}

PoisonOutcome poison_outcome(int code) {
  if (code == 0) return PoisonOutcome::poisoned;
  if (code == EEXIST) return PoisonOutcome::already_present;
  return common_outcome<PoisonOutcome>(code);
}

WakeOutcome wake_outcome(int code) { return code == 0 ? WakeOutcome::done : WakeOutcome::refused; }

std::string_view name_of(InstallOutcome outcome) {
  if (outcome == InstallOutcome::installed) return "installed";
  if (outcome == InstallOutcome::already_present) return "already_present";
  return common_name(outcome);
}

std::string_view name_of(MapOutcome outcome) {
  if (outcome == MapOutcome::installed) return "installed";
  if (outcome == MapOutcome::already_present) return "already_present";
  if (outcome == MapOutcome::absent) return "absent";
  return common_name(outcome);
}

std::string_view name_of(ProtectOutcome outcome) {
  return outcome == ProtectOutcome::done ? "done" : common_name(outcome);
}

std::string_view name_of(PoisonOutcome outcome) {
  if (outcome == PoisonOutcome::poisoned) return "poisoned";
  if (outcome == PoisonOutcome::already_present) return "already_present";
  return common_name(outcome);
}

std::string_view name_of(WakeOutcome outcome) {
  return outcome == WakeOutcome::done ? "done" : "refused";
}

}  // namespace gallocy::uffd
