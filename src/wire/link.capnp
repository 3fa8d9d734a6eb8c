# How two daemons meet, and what they say to each other besides any job's own traffic: the
# specification.
#
# Carrier. As in peer.capnp: one frame, one message, one Cap'n Proto segment; never a payload.
#
# Meeting. Between any two nodes there is one *link*, and two connections, control and bulk, for
# each job that both take part in. The daemon with the higher node id dials; it knows the addresses
# of lower ones.
# The dialler sends Hello as its first frame and nothing else before it has the HelloReply; the
# listener answers with HelloReply as its first frame. Whoever gets anything else as a first
# frame closes. A listener has at most 64 connections that have said no hello, each for at most
# 5 seconds.
#
# Refusals (`accepted` false, a sentence, end of stream): another protocol version; the listener's
# own node id; a dialler whose id is not above the listener's; a node id for which there is
# already a live link of another incarnation (two daemons were given one id); for a job: a node
# without a link, a node that takes no part in the job, a job that was not opened here within 5
# seconds of the hello. A dialler that is refused looks at the incarnation, too: another one than
# it knew means that the peer it had to do with has died.
#
# Taking up. A link, and each connection of a job, outlives the streams that carry it. When one
# breaks, the higher node id dials again and both say hello as at first; the new stream then goes on
# with the connection that the two have, also if one of them has not noticed the end of the old
# stream. Its frames are numbered from 1, without the hellos: what either side has received is said
# in the first frame after them (net/connection.hpp), by the thread that owns the connection, which
# the control thread need not ask. Who does not get his connection back within --peer-timeout gives
# it up. One side may do that before the other: so a link has a `session`, and each side learns from
# the hellos that the other has begun anew.
#
# A job's connection that is early, because its JobOpen is still on the way to the listener, gets
# its HelloReply when that has come.
#
# A job's connection leaves the hands of the control thread after HelloReply. It can't begin anew:
# a job whose connection was given up has failed.

@0xfcab53d11a0b6a22;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("gallocy::wire::link");

struct LinkMessage {
  union {
    none @0 :Void;  # never sent
    hello @1 :Hello;
    helloReply @2 :HelloReply;
    jobOpen @3 :JobOpen;
    jobReady @4 :JobReady;
    jobFailed @5 :JobFailed;
    jobEnd @6 :JobEnd;
  }
}

struct Hello {
  # dialler -> listener. The layout of magic and version never changes, so that any two versions
  # can tell each other apart.
  magic @0 :UInt32;             # "GLYL"
  version @1 :UInt32;           # of this protocol; must be equal
  features @2 :UInt64;          # optional abilities of the sender; none are defined
  epoch @3 :UInt64;             # cluster epoch; 1 until there is consensus
  node @4 :UInt8;               # of the sender
  incarnation @5 :UInt64;       # random, made at each start of a daemon; tells a restart from a
                                # reconnect
  kind @6 :Kind;
  job @7 :UInt64;               # for a job's connection; otherwise 0
  session @8 :UInt64;           # of a link: made by the dialler, the same as long as it has not
                                # given the link up; otherwise 0

  enum Kind {
    link @0;
    jobControl @1;
    jobBulk @2;                 # prefetched pages
  }
}

struct HelloReply {
  # listener -> dialler.
  magic @0 :UInt32;
  version @1 :UInt32;
  features @2 :UInt64;
  epoch @3 :UInt64;
  node @4 :UInt8;
  incarnation @5 :UInt64;
  goesOn @6 :Bool;              # the listener had that session of the link already
  accepted @7 :Bool;
  sentence @8 :Text;            # why not; at most 255 bytes, as every sentence here
}

struct JobOpen {
  # creator (the daemon that gallocy-run asked, node of rank 0) -> every other node of the job:
  # take part. The receiver makes the job's memory, dials the job's lower nodes and waits to be
  # dialled by its higher ones. A job that is already open: dropped.
  job @0 :UInt64;
  uid @1 :UInt32;               # owner: only its processes may attach
  regionSizeBytes @2 :UInt64;   # a multiple of 2 MiB, not 0
  rankNodes @3 :List(UInt8);    # node of each rank, 1 .. 64 ranks
  rankCpus @4 :List(UInt16);    # CPUs of that node, as many as ranks
  placement @5 :Placement;
  everyRankRunsMain @6 :Bool;   # main() goes on in each rank, not only in rank 0
  memoryBytes @7 :UInt64;       # how much memory the job may use on each node, at least 16 MiB;
                                # 0: a share of what the receiver has. One with less says JobFailed

  enum Placement {              # of threads that a program creates without naming a node
    spread @0;                  # on the node with the fewest live threads of this creator
    pack @1;                    # as many as CPUs on the creator's node, then on the next
    roundRobin @2;              # in turn
  }
}

struct JobReady {
  # node -> creator: the job is open here and its connections to all other nodes stand.
  # Unknown job: dropped.
  job @0 :UInt64;
}

struct JobFailed {
  # node -> every other node of the job: it can't go on here. The receiver tells its launcher, ends
  # its part and says the same to all others, once. Unknown job: dropped, since both sides may say
  # so at once.
  job @0 :UInt64;
  sentence @1 :Text;
}

struct JobEnd {
  # node -> every other node of the job: its launcher has ended the job, or is gone, or another
  # node said so. The receiver ends its part, too, and answers with its own JobEnd if it has sent
  # none. Closing its connections is no failure to those who have this. Unknown job: dropped.
  job @0 :UInt64;
  status @1 :Int32;             # 0 .. 255, with which the ranks leave
}
