#include "daemon/jobs.hpp"

#include <sched.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/memory_size.hpp"
#include "daemon/waiting.hpp"

namespace gallocy::daemon {
namespace {

// The region ends where the C library's own addresses may begin (ids.hpp: region_base).
constexpr std::uint64_t max_region_bytes = 0x55'0000'0000;

JobSettings settings_of(const ipc::JobCreate& create, uid_t owner, NodeId self) {
  JobSettings settings;
  settings.job = JobId{create.job};
  settings.owner = owner;
  settings.region_size_bytes = create.region_size_bytes;
  settings.self = self;
  for (unsigned rank = 0; rank < create.rank_count; ++rank) {
    settings.rank_nodes.push_back(NodeId{create.nodes[rank % create.node_count]});
    settings.rank_cpus.push_back(create.cpus[rank % create.node_count]);
  }
  for (const NodeId node : settings.rank_nodes) settings.nodes.insert(node);
  settings.placement = create.placement;
  settings.every_rank_runs_main = create.every_rank_runs_main != 0;
  return settings;
}

JobSettings settings_of(const wire::JobOpen& open, NodeId self) {
  JobSettings settings;
  settings.job = open.job;
  settings.owner = open.uid;
  settings.region_size_bytes = open.region_size_bytes;
  settings.self = self;
  settings.rank_nodes = open.rank_nodes;
  settings.rank_cpus = open.rank_cpus;
  settings.placement = open.placement;
  settings.every_rank_runs_main = open.every_rank_runs_main;
  for (const NodeId node : settings.rank_nodes) settings.nodes.insert(node);
  return settings;
}

wire::JobOpen open_of(const JobSettings& settings) {
  return {settings.job,       settings.owner,
          settings.region_size_bytes, settings.rank_nodes,
          settings.rank_cpus, settings.placement,
          settings.every_rank_runs_main, 0};
}

std::uint32_t cpu_count() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // The set may be too small for the largest machines.
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 1;
  return static_cast<std::uint32_t>(CPU_COUNT(&cpus));
}

ipc::NodeInfo node_info(NodeId self) {
  ipc::NodeInfo info;
  info.node = raw(self);
  info.cpu_count = cpu_count();
  return info;
}

template <class List, class Item>
auto take_from(List& list, const Item& item) {
  const auto at = std::find_if(list.begin(), list.end(),
                               [&](const auto& each) { return each.get() == &item; });
  auto taken = std::move(*at);
  list.erase(at);
  return taken;
}

}  // namespace

Jobs::Jobs(const Context& context, Links& links, Mailbox& mailbox)
    : context_(context),
      links_(links),
      mailbox_(mailbox),
      services_{context, links, mailbox,
                [this](JobId job) {
                  const auto at = parts_.find(job);
                  context_.later.discard(std::move(at->second));
                  parts_.erase(at);
                },
                [this](JobId job, NodeId peer, wire::ConnectionKind kind,
                       Result<net::Detached> stream) {
                  if (Part* part = find(job)) part->connected(peer, kind, std::move(stream));
                }} {}

Jobs::~Jobs() = default;

Part* Jobs::find(JobId job) const {
  const auto at = parts_.find(job);
  return at != parts_.end() ? at->second.get() : nullptr;
}

// ---- programs of this machine --------------------------------------------------------------

Status Jobs::on_message(Session& session, const ipc::AnyMessage& message) {
  if (session.bound()) {
    if (Part* part = find(session.job())) return part->order(message);
    if (message.as<ipc::JobEnd>() != nullptr) end_of_none(session);
    return {};
  }
  if (const auto* hello = message.as<ipc::ClientHello>()) on_client(session, *hello);
  else if (const auto* create = message.as<ipc::JobCreate>()) on_create(session, *create);
  else if (const auto* watch = message.as<ipc::JobWatch>()) on_watch(session, *watch);
  else if (message.as<ipc::NodeQuery>() != nullptr) session.send(node_info(context_.self));
  else if (message.as<ipc::PagesRequest>() != nullptr) send_pages(session);
  else return fail(EPROTO, "a first message of kind ", static_cast<unsigned>(message.kind()));
  return {};
}

void Jobs::on_client(Session& session, const ipc::ClientHello& hello) {
  Part* part = find(JobId{hello.job});
  if (part == nullptr)
    return session.refuse({ENOENT, Sentence("there is no job ", Hex{hello.job}, " on node ",
                                            raw(context_.self), ": start the program with "
                                            "gallocy-run")});
  if (const Status status = part->check_client(session.who().uid, hello); !status)
    return session.refuse(status.error());
  part->add_client(session.take_socket(), hello);
}

void Jobs::send_pages(Session& session) const {
  for (const auto& [job, part] : parts_) {
    const uid_t uid = session.who().uid;
    if (part->job() == nullptr || (uid != 0 && uid != part->settings().owner)) continue;
    ipc::StatisticsPage page;
    page.job = raw(job);
    const int fds[] = {part->job()->statistics_fd()};
    session.send(page, fds);
  }
  session.send(ipc::PagesEnd{});
}

Status Jobs::check_create(const ipc::JobCreate& create) const {
  if (create.job == 0) return fail(EINVAL, "a job id of 0");
  if (create.rank_count == 0 || create.rank_count > ipc::max_rank_count)
    return fail(EINVAL, create.rank_count, " ranks: must be 1 to ", ipc::max_rank_count);
  if (create.node_count == 0 || create.node_count > create.rank_count)
    return fail(EINVAL, create.node_count, " nodes for ", create.rank_count, " ranks");
  for (unsigned i = 0; i < create.node_count; ++i)
    if (create.nodes[i] >= max_node_count) return fail(EINVAL, "a node id of ", create.nodes[i]);
  if (NodeId{create.nodes[0]} != context_.self)
    return fail(EINVAL, "a job is created at the node of rank 0, which is node ", create.nodes[0],
                ", not node ", raw(context_.self));
  if (create.region_size_bytes == 0 || create.region_size_bytes % chunk_bytes != 0 ||
      create.region_size_bytes > max_region_bytes)
    return fail(EINVAL, "a region of ", create.region_size_bytes, " bytes: must be a multiple of ",
                chunk_bytes, ", at most ", max_region_bytes);
  if (static_cast<unsigned>(create.placement) >= placement_policy_count)
    return fail(EINVAL, "an unknown placement of threads");
  if (parts_.size() >= max_job_count) return fail(EAGAIN, "the daemon has too many jobs");
  return {};
}

void Jobs::on_create(Session& session, const ipc::JobCreate& create) {
  if (const Status status = check_create(create); !status)
    return session.refuse(status.error());
  session.bind(JobId{create.job});
  look_at(*waiting_.emplace_back(std::make_unique<Waiting>(
      context_, session, create, [this](Waiting& waiting) { give_up(waiting); })));
}

void Jobs::on_watch(Session& session, const ipc::JobWatch& watch) {
  session.bind(JobId{watch.job});
  look_at(*waiting_.emplace_back(std::make_unique<Waiting>(
      context_, session, watch, [this](Waiting& waiting) { give_up(waiting); })));
}

// What it waits for may be there: all links for a creator, the job for a watcher.
void Jobs::look_at(Waiting& waiting) {
  Session& session = waiting.session;
  Part* part = find(session.job());
  if (const auto* request = std::get_if<ipc::JobCreate>(&waiting.request)) {
    const ipc::JobCreate wanted = *request;
    if (part == nullptr && waiting.missing(links_, context_.self)) return;
    forget(waiting);
    if (part == nullptr) return create(session, wanted);
    return session.refuse({EEXIST, Sentence("job ", Hex{wanted.job}, " exists already")});
  }
  if (part == nullptr) return;
  forget(waiting);
  const uid_t uid = session.who().uid;
  if (uid != 0 && uid != part->settings().owner)
    return session.refuse({EPERM, Sentence("job ", Hex{raw(session.job())}, " belongs to uid ",
                                           part->settings().owner, ", not to uid ", uid)});
  part->attach(session);
}

// Each may end the wait of any: the list is gone through by a copy of what it names.
void Jobs::look_at_all() {
  std::vector<Waiting*> all;
  for (const auto& waiting : waiting_) all.push_back(waiting.get());
  for (Waiting* waiting : all) look_at(*waiting);
}

void Jobs::give_up(Waiting& waiting) {
  const auto missing = waiting.missing(links_, context_.self);
  const JobId job = waiting.session.job();
  const Sentence why =
      missing ? Sentence("node ", raw(*missing), " has no link to node ", raw(context_.self),
                         " after ", wait_limit_s, " s: is its daemon running?")
              : Sentence("job ", Hex{raw(job)}, " was not created within ", wait_limit_s, " s");
  Session& session = waiting.session;
  forget(waiting);
  session.refuse({ETIMEDOUT, why});
}

void Jobs::forget(Waiting& waiting) { context_.later.discard(take_from(waiting_, waiting)); }

bool Jobs::stop_waiting(const Session& session) {
  for (const auto& waiting : waiting_)
    if (&waiting->session == &session) {
      forget(*waiting);
      return true;
    }
  return false;
}

void Jobs::on_session_gone(Session& session) {
  if (stop_waiting(session) || !session.bound()) return;
  if (Part* part = find(session.job())) part->launcher_gone(session);
}

// Of a job that is over already, or has not begun here. Should it be opened after all, the node
// that opens it ends it too.
void Jobs::end_of_none(Session& session) {
  stop_waiting(session);
  ipc::JobOver over;
  over.job = raw(session.job());
  session.send(over);
}

void Jobs::create(Session& session, const ipc::JobCreate& create) {
  JobSettings settings = settings_of(create, session.who().uid, context_.self);
  const auto memory_bytes = memory_for(create.memory_bytes);
  if (!memory_bytes) return session.refuse(memory_bytes.error());
  settings.memory_bytes = *memory_bytes;
  settings.nodes.without(context_.self).for_each([&](NodeId node) {
    wire::JobOpen open = open_of(settings);
    open.memory_bytes = create.memory_bytes;  // each shares as it can
    links_.send(node, open);
  });
  Part& part = add(settings, context_.self);
  part.attach(session);
  part.open();
  admit_parked(part);
  look_at_all();
}

// A job that names no size gets a quarter of what is left: the first of several shall not have it
// all. Its share is fixed: what one job does not use is not another's, so none can starve another.
Result<std::uint64_t> Jobs::memory_for(std::uint64_t asked_bytes) const {
  std::uint64_t left_bytes = context_.options.memory_bytes;
  for (const auto& [job, part] : parts_)
    left_bytes -= std::min(left_bytes, part->settings().memory_bytes);
  if (asked_bytes != 0 && asked_bytes < min_memory_bytes)
    return fail(EINVAL, "a memory bound of ", asked_bytes, " bytes: a job needs at least ",
                min_memory_bytes >> 20, " MiB on each node");
  const std::uint64_t wanted_bytes =
      asked_bytes != 0 ? asked_bytes : std::max(left_bytes / 4, min_memory_bytes);
  if (wanted_bytes <= left_bytes) return wanted_bytes;
  return fail(ENOMEM, "node ", raw(context_.self), " has ", left_bytes >> 20, " MiB left of its ",
              context_.options.memory_bytes >> 20, " MiB for jobs, and ", wanted_bytes >> 20,
              " MiB are needed: ask for less (gallocy-run --memory) or start the daemon with a "
              "greater --memory");
}

Part& Jobs::add(JobSettings settings, NodeId creator) {
  const JobId job = settings.job;
  settings.peer_timeout_us = context_.options.peer_timeout_us;
  settings.fault_stamps_folder = context_.options.fault_stamps_folder;
  auto& part = parts_[job];
  part = std::make_unique<Part>(services_, std::move(settings), creator);
  return *part;
}

// ---- other daemons -------------------------------------------------------------------------

void Jobs::on_open(NodeId from, const wire::JobOpen& open) {
  if (find(open.job) != nullptr) return;
  JobSettings settings = settings_of(open, context_.self);
  const auto memory_bytes = memory_for(open.memory_bytes);
  Sentence refusal;
  if (!settings.nodes.contains(context_.self) || !settings.nodes.contains(from))
    refusal = Sentence("node ", raw(context_.self), " was asked to open a job of other nodes");
  else if (!context_.options.allows(open.uid))
    refusal = Sentence("uid ", open.uid, " may not use the daemon of node ", raw(context_.self),
                       ": it was started without --allow-uid ", open.uid);
  else if (parts_.size() >= max_job_count || open.region_size_bytes > max_region_bytes)
    refusal = Sentence("node ", raw(context_.self), " has no room for job ", Hex{raw(open.job)});
  else if (!memory_bytes)
    refusal = memory_bytes.error().sentence;
  else
    settings.memory_bytes = *memory_bytes;
  if (!refusal.empty()) {
    context_.say(refusal.view());
    return links_.send(from, wire::JobFailed{open.job, refusal});
  }
  Part& part = add(settings, from);
  look_at_all();  // launchers first: they hear it if opening fails
  part.open();
  admit_parked(part);
}

Status Jobs::on_guest(Reception::Guest& guest) {
  const wire::Hello& hello = guest.hello;
  if (!links_.is_incarnation(hello.node, hello.incarnation))
    return fail(EPERM, "node ", raw(hello.node), " has no link to node ", raw(context_.self));
  if (raw(hello.node) <= raw(context_.self))
    return fail(EINVAL, "the higher node id dials");
  if (Part* part = find(hello.job)) {
    if (const Status status = part->check_peer(hello.node); !status) return status;
    admit(*part, std::move(guest));
    return {};
  }
  if (parked_.size() >= max_parked_count) return fail(EAGAIN, "too many early connections");
  parked_.push_back(std::make_unique<Parked>(
      context_, std::move(guest),
      [this](Parked& parked, std::string_view why) { unpark(parked, why); }));
  return {};
}

void Jobs::admit(Part& part, Reception::Guest guest) {
  guest.channel->send(acceptance(context_));
  guest.channel->detach([this, job = part.settings().job, peer = guest.hello.node,
                         kind = guest.hello.kind](Result<net::Detached> stream) {
    services_.on_connection(job, peer, kind, std::move(stream));
  });
  context_.later.discard(std::move(guest.channel));
}

void Jobs::unpark(Parked& parked, std::string_view why) {
  context_.say(parked.guest.address.view(), ", early for job ", Hex{raw(parked.guest.hello.job)},
               ", is refused: ", why);
  auto taken = take_from(parked_, parked);
  wire::HelloReply reply = acceptance(context_);
  reply.accepted = false;
  reply.sentence = Sentence(why);
  taken->guest.channel->send(reply);
  taken->guest.channel->finish();
  context_.later.discard(std::move(taken));
}

void Jobs::admit_parked(Part& part) {
  std::vector<Parked*> early;
  for (const auto& parked : parked_)
    if (parked->guest.hello.job == part.settings().job) early.push_back(parked.get());
  for (Parked* parked : early) {
    const wire::Hello& hello = parked->guest.hello;
    if (const Status status = part.check_peer(hello.node); !status) {
      unpark(*parked, status.error().sentence.view());
      continue;
    }
    const auto taken = take_from(parked_, *parked);
    admit(part, std::move(taken->guest));
  }
}

void Jobs::on_link_up(NodeId node) {
  for (Part* part : all_parts()) part->link_made(node);
  look_at_all();
}

void Jobs::on_link_down(NodeId node, const Sentence& why) {
  for (Part* part : all_parts()) part->link_lost(node, why);
}

// A part may leave the map while it is told something, but is not destroyed before the round ends.
std::vector<Part*> Jobs::all_parts() const {
  std::vector<Part*> all;
  for (const auto& [job, part] : parts_) all.push_back(part.get());
  return all;
}

void Jobs::on_link_message(NodeId from, const wire::LinkMessage& message) {
  if (const auto* open = std::get_if<wire::JobOpen>(&message)) return on_open(from, *open);
  const auto part_of = [&](JobId job) -> Part* {
    Part* part = find(job);
    return part != nullptr && part->settings().nodes.contains(from) ? part : nullptr;
  };
  if (const auto* ready = std::get_if<wire::JobReady>(&message)) {
    if (Part* part = part_of(ready->job)) part->peer_ready(from);
  } else if (const auto* failed = std::get_if<wire::JobFailed>(&message)) {
    if (Part* part = part_of(failed->job)) part->peer_failed(from, failed->sentence);
  } else if (const auto* end = std::get_if<wire::JobEnd>(&message)) {
    if (Part* part = part_of(end->job)) part->peer_ended(from, end->status);
  } else {
    context_.say("node ", raw(from), " says hello in the middle of its link");
  }
}

// ---- jobs' threads -------------------------------------------------------------------------

void Jobs::read_mail() {
  const auto job_of = [](const auto& mail) {
    if constexpr (requires { mail->job; }) return JobId{mail->job};
    else return JobId{mail.job};
  };
  for (const JobMail& any : mailbox_.take())
    std::visit(
        [&](const auto& mail) {
          if (Part* part = find(job_of(mail))) part->receive(mail);
        },
        any);
}

void Jobs::dump() const {
  context_.say(parts_.size(), " jobs, ", waiting_.size(), " launchers wait, ", parked_.size(),
               " early connections");
  for (const auto& [job, part] : parts_) part->dump();
}

}  // namespace gallocy::daemon
