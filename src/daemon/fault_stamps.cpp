#include "daemon/fault_stamps.hpp"

#include <time.h>

#include <cinttypes>
#include <utility>
#include <variant>

namespace gallocy::daemon {
namespace {

constexpr const char* names[] = {"event_read",     "decided",   "request_sent",  "request_received",
                                 "page_protected", "data_sent", "data_received", "installed"};

}  // namespace

Result<FaultStamps> FaultStamps::open(const std::string& folder, JobId job, NodeId self) {
  const FixedText<64> name(Hex{raw(job)}, "-", raw(self), ".stamps");
  const std::string path = folder + "/" + std::string(name.view());
  FaultStamps stamps;
  stamps.file_.reset(std::fopen(path.c_str(), "we"));
  if (!stamps.file_) return fail_errno("cannot write fault stamps to ", path);
  stamps.stamps_.reserve(capacity);
  return stamps;
}

std::int64_t FaultStamps::now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

void FaultStamps::append(Stage stage, PageNo page, std::int64_t at_ns) {
  if (stamps_.size() < capacity) stamps_.push_back({at_ns, page, stage});
}

void FaultStamps::on_decided(const core::Event& event) {
  if (!on()) return;
  if (const auto* fault = std::get_if<core::Fault>(&event)) add(Stage::decided, fault->page);
}

void FaultStamps::on_received(const core::Message& message, std::int64_t at_ns) {
  if (!on()) return;
  if (const auto* request = std::get_if<core::PageRequest>(&message.body))
    append(Stage::request_received, request->page, at_ns);
  else if (const auto* data = std::get_if<core::PageData>(&message.body))
    append(Stage::data_received, data->page, at_ns);
}

void FaultStamps::on_queued(const core::Message& message) {
  if (!on()) return;
  if (const auto* request = std::get_if<core::PageRequest>(&message.body))
    queued_.push_back({0, request->page, Stage::request_sent});
  else if (const auto* data = std::get_if<core::PageData>(&message.body))
    queued_.push_back({0, data->page, Stage::data_sent});
}

void FaultStamps::on_leaving() {
  if (queued_.empty()) return;
  const std::int64_t at_ns = now_ns();
  for (const Stamp& stamp : queued_) append(stamp.stage, stamp.page, at_ns);
  queued_.clear();
}

void FaultStamps::write() {
  if (!on()) return;
  for (const Stamp& stamp : stamps_)
    std::fprintf(file_.get(), "%" PRId64 " %s %#" PRIx64 "\n", stamp.at_ns,
                 names[static_cast<unsigned>(stamp.stage)],
                 region_base + raw(stamp.page) * page_bytes);
}

}  // namespace gallocy::daemon
