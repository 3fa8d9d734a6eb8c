// When each step in the life of a fault was taken on this node: gallocyd --fault-stamps, for who
// wants to know where the time goes. CLOCK_MONOTONIC, so the stamps of daemons on one machine, and
// of the threads that fault, can be put side by side. Switched off, a stamp is a look at a pointer.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "core/event.hpp"

namespace gallocy::daemon {

class FaultStamps {
 public:
  // In the order of a fault's life. Sent: the kernel is about to be given the message.
  enum class Stage : std::uint8_t {
    event_read,        // at the node that faults
    decided,           // core has said what to do
    request_sent,
    request_received,  // at the holder
    page_protected,    // or, for a write, copied and dropped
    data_sent,
    data_received,     // at the node that faults, again
    installed,
  };

  FaultStamps() = default;  // off

  // On: the stamps of the job are written to FOLDER/JOB-NODE.stamps when this is destroyed, a line
  // "NANOSECONDS STAGE ADDRESS" for each.
  static Result<FaultStamps> open(const std::string& folder, JobId job, NodeId self);
  FaultStamps(FaultStamps&&) = default;
  FaultStamps& operator=(FaultStamps&&) = default;
  ~FaultStamps() { write(); }

  bool on() const { return file_ != nullptr; }
  std::int64_t moment_ns() const { return on() ? now_ns() : 0; }

  void add(Stage stage, PageNo page) {
    if (on()) append(stage, page, now_ns());
  }
  void on_decided(const core::Event& event);
  void on_received(const core::Message& message, std::int64_t at_ns);
  void on_queued(const core::Message& message);
  // Before the kernel is asked to send what is queued.
  void on_leaving();

 private:
  static constexpr std::size_t capacity = 1 << 20;  // what comes later is not stamped

  struct Stamp {
    std::int64_t at_ns;
    PageNo page;
    Stage stage;
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  static std::int64_t now_ns();
  void append(Stage stage, PageNo page, std::int64_t at_ns);
  void write();

  std::unique_ptr<std::FILE, Close> file_;
  std::vector<Stamp> stamps_;
  std::vector<Stamp> queued_;
};

}  // namespace gallocy::daemon
