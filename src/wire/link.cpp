#include "wire/link.hpp"

#include "wire/link.capnp.h"
#include "wire/ranges.hpp"
#include "wire/segment.hpp"

namespace gallocy::wire {
namespace {

using Root = link::LinkMessage;

capnp::Text::Reader text_of(const Sentence& sentence) {
  return capnp::Text::Reader(sentence.c_str(), sentence.view().size());
}

void put(Root::Builder to, const Hello& from) {
  auto hello = to.initHello();
  hello.setMagic(link_magic);
  hello.setVersion(from.version);
  hello.setFeatures(from.features);
  hello.setEpoch(raw(from.epoch));
  hello.setNode(raw(from.node));
  hello.setIncarnation(raw(from.incarnation));
  hello.setKind(static_cast<link::Hello::Kind>(from.kind));
  hello.setJob(raw(from.job));
  hello.setSession(from.session);
}

void put(Root::Builder to, const HelloReply& from) {
  auto reply = to.initHelloReply();
  reply.setMagic(link_magic);
  reply.setVersion(from.version);
  reply.setFeatures(from.features);
  reply.setEpoch(raw(from.epoch));
  reply.setNode(raw(from.node));
  reply.setIncarnation(raw(from.incarnation));
  reply.setGoesOn(from.goes_on);
  reply.setAccepted(from.accepted);
  reply.setSentence(text_of(from.sentence));
}

void put(Root::Builder to, const JobOpen& from) {
  auto open = to.initJobOpen();
  open.setJob(raw(from.job));
  open.setUid(from.uid);
  open.setRegionSizeBytes(from.region_size_bytes);
  open.setMemoryBytes(from.memory_bytes);
  auto nodes = open.initRankNodes(static_cast<unsigned>(from.rank_nodes.size()));
  for (unsigned rank = 0; rank < nodes.size(); ++rank)
    nodes.set(rank, raw(from.rank_nodes[rank]));
  auto cpus = open.initRankCpus(static_cast<unsigned>(from.rank_cpus.size()));
  for (unsigned rank = 0; rank < cpus.size(); ++rank) cpus.set(rank, from.rank_cpus[rank]);
  open.setPlacement(static_cast<link::JobOpen::Placement>(from.placement));
  open.setEveryRankRunsMain(from.every_rank_runs_main);
}

void put(Root::Builder to, const JobReady& from) { to.initJobReady().setJob(raw(from.job)); }

void put(Root::Builder to, const JobFailed& from) {
  auto failed = to.initJobFailed();
  failed.setJob(raw(from.job));
  failed.setSentence(text_of(from.sentence));
}

void put(Root::Builder to, const JobEnd& from) {
  auto end = to.initJobEnd();
  end.setJob(raw(from.job));
  end.setStatus(from.status);
}

// For logs and terminals: a peer's text must not move a cursor or begin a line.
Sentence sentence_of(capnp::Text::Reader text, Ranges& ranges) {
  if (text.size() >= 256) ranges.violate("length of a sentence");
  Sentence sentence;
  for (const char c : text) sentence.append(c >= ' ' && c != '\x7f' ? c : '?');
  return sentence;
}

ConnectionKind kind_of(link::Hello::Kind kind, Ranges& ranges) {
  if (kind > link::Hello::Kind::JOB_BULK) ranges.violate("kind of connection");
  return static_cast<ConnectionKind>(kind);
}

LinkMessage take(link::Hello::Reader from, Ranges& ranges) {
  Hello hello;
  hello.version = from.getVersion();
  if (from.getMagic() != link_magic) ranges.violate("magic number");
  if (hello.version != link_version) return hello;
  hello.features = from.getFeatures();
  hello.epoch = Epoch{from.getEpoch()};
  hello.node = ranges.node(from.getNode());
  hello.incarnation = Incarnation{from.getIncarnation()};
  hello.kind = kind_of(from.getKind(), ranges);
  hello.job = JobId{from.getJob()};
  hello.session = from.getSession();
  return hello;
}

LinkMessage take(link::HelloReply::Reader from, Ranges& ranges) {
  HelloReply reply;
  reply.version = from.getVersion();
  if (from.getMagic() != link_magic) ranges.violate("magic number");
  reply.sentence = sentence_of(from.getSentence(), ranges);
  if (reply.version != link_version) return reply;
  reply.features = from.getFeatures();
  reply.epoch = Epoch{from.getEpoch()};
  reply.node = ranges.node(from.getNode());
  reply.incarnation = Incarnation{from.getIncarnation()};
  reply.goes_on = from.getGoesOn();
  reply.accepted = from.getAccepted();
  return reply;
}

LinkMessage take(link::JobOpen::Reader from, Ranges& ranges) {
  JobOpen open;
  open.job = JobId{from.getJob()};
  open.uid = from.getUid();
  open.region_size_bytes = from.getRegionSizeBytes();
  open.memory_bytes = from.getMemoryBytes();
  if (open.region_size_bytes == 0 || open.region_size_bytes % chunk_bytes != 0)
    ranges.violate("size of the region");
  if (from.getPlacement() > link::JobOpen::Placement::ROUND_ROBIN)
    ranges.violate("placement of threads");
  open.placement = static_cast<PlacementPolicy>(from.getPlacement());
  open.every_rank_runs_main = from.getEveryRankRunsMain();
  const auto nodes = from.getRankNodes();
  const auto cpus = from.getRankCpus();
  if (nodes.size() == 0 || nodes.size() > max_rank_nodes || cpus.size() != nodes.size()) {
    ranges.violate("number of ranks");
    return open;
  }
  for (const std::uint8_t node : nodes) open.rank_nodes.push_back(ranges.node(node));
  for (const std::uint16_t count : cpus) open.rank_cpus.push_back(count);
  return open;
}

LinkMessage message_of(Root::Reader from, Ranges& ranges) {
  switch (from.which()) {
    case Root::HELLO: return take(from.getHello(), ranges);
    case Root::HELLO_REPLY: return take(from.getHelloReply(), ranges);
    case Root::JOB_OPEN: return take(from.getJobOpen(), ranges);
    case Root::JOB_READY: return JobReady{JobId{from.getJobReady().getJob()}};
    case Root::JOB_FAILED:
      return JobFailed{JobId{from.getJobFailed().getJob()},
                       sentence_of(from.getJobFailed().getSentence(), ranges)};
    case Root::JOB_END:
      return JobEnd{JobId{from.getJobEnd().getJob()},
                    ranges.status(from.getJobEnd().getStatus(), 256)};
    case Root::NONE: break;
  }
  ranges.violate("kind of message");
  return JobReady{};
}

}  // namespace

std::span<const std::byte> encode(const LinkMessage& message, Buffer& buffer) {
  {
    Encoding encoding(buffer);
    auto root = encoding.root<Root>();
    std::visit([&](const auto& body) { put(root, body); }, message);
  }
  return buffer.bytes();
}

Result<LinkMessage> decode_link(std::span<const std::byte> bytes) {
  return decode_segment<Root>(bytes, [](Root::Reader root) -> Result<LinkMessage> {
    Ranges ranges;
    LinkMessage message = message_of(root, ranges);
    if (auto verdict = ranges.verdict(); !verdict) return tl::unexpected(verdict.error());
    return message;
  });
}

}  // namespace gallocy::wire
