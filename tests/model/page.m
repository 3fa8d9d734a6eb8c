-- One page, three nodes, one removal: the protocol of src/core, every interleaving of it.
--
-- A rule names the function of core that it stands for, or says that there is none. Time is left
-- out: a holder that keeps a page for a while is a message that comes late, ages are free choices.
-- Nodes are alike (a scalarset), so the "lowest sharer" is any one. What a node tells itself is
-- handled before anything else happens, as Node::drain_local does.
--
-- Bounded: the number of requests and of writes. A write makes the page's value the next number;
-- `last` is the one that every reader has to see.

const
  node_count: 3;
  write_max: 2;
  request_max: 3;  -- of all nodes together; with 2 no upgrade finds its copy gone
  channel_max: 4;

  -- Mistakes that the invariants must find; see check_model.py.
  right: 0;
  grant_before_acks: 1;    -- the requester does not wait for acknowledgements
  skipped_invalidate: 2;   -- a sharer acknowledges and keeps its copy
  old_epoch_accepted: 3;   -- messages of the old epoch are handled as if they were of the new one
  slots_not_looked_at: 4;  -- the directory is rebuilt from the copies alone
  slots_trusted: 5;        -- bytes in a slot are taken back although their receiver had them
  downgrade_unprotected: 6;  -- the owner stays writable when it gives a read copy
  early_release: 7;        -- kept bytes go when the request is served, not when it is done
  newer_epoch_dropped: 8;  -- who has not heard of the new epoch drops its messages
  lost_upgrade_race: 9;    -- an upgrade is granted though its copy was invalidated meanwhile
  upgrade_before_acks: 10;  -- an upgrade does not wait for acknowledgements
  planted: right;

type
  Node: scalarset(node_count);
  Epoch: 0..1;
  Count: 0..request_max;
  Version: 0..request_max + node_count;  -- what waits when a node is removed is asked for again
  Value: 0..write_max;
  PageState: enum { invalid, shared, exclusive, installing };
  Wish: enum { none, read, write, upgrade };
  EntryState: enum { zero, sharing, owned, lost };
  MessageKind: enum { request, recall, invalidate, invalidate_ack, page_data, grant, done, release,
                      report, rebuilt };
  Transaction: record
    requester: Node;
    number: Count;
  end;
  Slot: record  -- the bytes of a page given away
    used: boolean;
    transaction: Transaction;
    version: Version;
    value: Value;
  end;
  Message: record
    kind: MessageKind;
    epoch: Epoch;
    transaction: Transaction;
    wish: Wish;       -- request, recall, page_data, grant
    acks: 0..2;
    is_zero: boolean;
    version: Version;
    value: Value;
    state: PageState;   -- report
    slot: Slot;         -- report
    takes_back: boolean;  -- rebuilt
    is_lost: boolean;     -- rebuilt
  end;
  Channel: record
    count: 0..channel_max;
    queue: array[0..channel_max - 1] of Message;
  end;
  NodeSet: array[Node] of boolean;
  Pending: record
    wish: Wish;
    number: Count;
    permitted: boolean;
    is_write: boolean;
    acks_expected: 0..2;
    acks_from: NodeSet;
  end;
  Queued: record
    wish: Wish;
    number: Count;
  end;
  Entry: record
    state: EntryState;
    busy: boolean;
    version: Version;
    copyset: NodeSet;
    current: Transaction;
    wish: Wish;
    releases: boolean;
    release_to: Node;
    queue: array[Node] of Queued;
  end;
  Report: record
    here: boolean;
    state: PageState;
    version: Version;
    slot: Slot;
  end;

var
  channel: array[Node] of array[Node] of Channel;  -- from, to
  epoch: array[Node] of Epoch;
  state: array[Node] of PageState;
  version: array[Node] of Version;  -- that was last held; stays when the copy goes
  value: array[Node] of Value;
  slot: array[Node] of Slot;
  pending: array[Node] of Pending;
  numbers: array[Node] of Count;  -- of transactions
  entry: array[Node] of Entry;    -- of the home
  home: array[Epoch] of Node;
  reports: array[Node] of Report;  -- at the new home
  known_zero: boolean;             -- by it
  awaits_rebuilt: NodeSet;
  poisoned: NodeSet;
  any_removed: boolean;
  removed: Node;
  is_rebuilt: boolean;
  request_count: Count;
  last: Value;
  may_be_lost: boolean;  -- the removed node was given it, or alone knew that it is zero

-- ---- helpers --------------------------------------------------------------------------------

function is_member(n: Node): boolean;
begin
  return !any_removed | n != removed;
end;

function home_of(n: Node): Node;
begin
  return home[epoch[n]];
end;

function has_copy(n: Node): boolean;
begin
  return state[n] = shared | state[n] = exclusive;
end;

-- Messages of a node to itself, and an idle entry whose queue is not empty, come before all else.
function is_in_step(): boolean;
begin
  for n: Node do
    if channel[n][n].count > 0 then return true; endif;
    if home_of(n) = n & !isundefined(entry[n].state) then
      if !entry[n].busy then
        for r: Node do
          if entry[n].queue[r].wish != none then return true; endif;
        endfor;
      endif;
    endif;
  endfor;
  return false;
end;

procedure send(from: Node; target: Node; message: Message);
begin
  -- It would be dropped whenever it came; so it is at once, which spares states.
  if planted != old_epoch_accepted & epoch[from] < epoch[target] then return; endif;
  if planted = newer_epoch_dropped & epoch[from] > epoch[target] then return; endif;
  assert channel[from][target].count < channel_max "a channel overflows";
  channel[from][target].queue[channel[from][target].count] := message;
  channel[from][target].count := channel[from][target].count + 1;
end;

procedure take(from: Node; target: Node; var message: Message);
begin
  message := channel[from][target].queue[0];
  for i: 0..channel_max - 2 do
    channel[from][target].queue[i] := channel[from][target].queue[i + 1];
  endfor;
  undefine channel[from][target].queue[channel_max - 1];
  channel[from][target].count := channel[from][target].count - 1;
end;

procedure start_message(from: Node; kind: MessageKind; transaction: Transaction;
                        var message: Message);
begin
  undefine message;
  message.kind := kind;
  message.epoch := epoch[from];
  message.transaction := transaction;
end;

function can_take(from: Node; target: Node; kind: MessageKind): boolean;
begin
  if channel[from][target].count = 0 then return false; endif;
  if channel[from][target].queue[0].kind != kind then return false; endif;
  if from != target & is_in_step() then return false; endif;
  -- Node::keep_newer: a message of a newer epoch waits until its receiver has heard of that epoch.
  return channel[from][target].queue[0].epoch = epoch[target] |
         (planted = old_epoch_accepted & channel[from][target].queue[0].epoch < epoch[target]);
end;

function is_on_its_way(from: Node; target: Node; kind: MessageKind): boolean;
begin
  for i: 0..channel_max - 1 do
    if i < channel[from][target].count then
      if channel[from][target].queue[i].kind = kind then return true; endif;
    endif;
  endfor;
  return false;
end;

procedure clear_set(var set: NodeSet);
begin
  for n: Node do set[n] := false; endfor;
end;

function count(set: NodeSet): 0..node_count;
var sum: 0..node_count;
begin
  sum := 0;
  for n: Node do
    if set[n] then sum := sum + 1; endif;
  endfor;
  return sum;
end;

procedure clear_pending(n: Node);
begin
  undefine pending[n];
  pending[n].wish := none;
end;

procedure clear_slot(n: Node);
begin
  undefine slot[n];
  slot[n].used := false;
end;

procedure clear_entry(n: Node; what: EntryState);
begin
  undefine entry[n];
  entry[n].state := what;
  entry[n].busy := false;
  entry[n].version := 0;
  clear_set(entry[n].copyset);
  for r: Node do entry[n].queue[r].wish := none; endfor;
end;

procedure submit(n: Node; wish: Wish);
var message: Message;
    transaction: Transaction;
begin
  pending[n].wish := wish;
  pending[n].number := numbers[n];
  pending[n].permitted := false;
  clear_set(pending[n].acks_from);
  transaction.requester := n;
  transaction.number := numbers[n];
  start_message(n, request, transaction, message);
  message.wish := wish;
  send(n, home_of(n), message);
end;

-- Requester::complete_if_ready
procedure complete_if_ready(n: Node);
var message: Message;
    transaction: Transaction;
begin
  if !pending[n].permitted then return; endif;
  if count(pending[n].acks_from) < pending[n].acks_expected & planted != grant_before_acks &
     !(planted = upgrade_before_acks & pending[n].wish = upgrade) then
    return;
  endif;
  state[n] := pending[n].is_write ? exclusive : shared;
  transaction.requester := n;
  transaction.number := pending[n].number;
  start_message(n, done, transaction, message);
  send(n, home_of(n), message);
  clear_pending(n);
end;

function is_current(n: Node; transaction: Transaction): boolean;
begin
  return pending[n].wish != none & transaction.number = pending[n].number;
end;

-- ---- threads --------------------------------------------------------------------------------

ruleset n: Node do
  -- Requester::on_fault. A removed node goes on asking (in the old epoch).
  rule "fault"
    !is_in_step() & pending[n].wish = none & state[n] != exclusive & state[n] != installing &
    request_count < request_max & !awaits_rebuilt[n] & !poisoned[n]
  ==>
  begin
    request_count := request_count + 1;
    numbers[n] := numbers[n] + 1;
    submit(n, state[n] = shared ? upgrade : write);
  end;

  rule "read fault"
    !is_in_step() & pending[n].wish = none & state[n] = invalid &
    request_count < request_max & !awaits_rebuilt[n] & !poisoned[n]
  ==>
  begin
    request_count := request_count + 1;
    numbers[n] := numbers[n] + 1;
    submit(n, read);
  end;

  -- No function of core, which hears of none: a thread's store to a page that it may write.
  -- A removed node's lease has ended before: its pages are unmapped.
  rule "store"
    !is_in_step() & state[n] = exclusive & last < write_max & is_member(n)
  ==>
  begin
    last := last + 1;
    value[n] := last;
  end;
end;

-- ---- the home -------------------------------------------------------------------------------

ruleset from: Node; h: Node do
  -- Directory::on_request
  rule "request" can_take(from, h, request) ==>
  var message: Message;
  begin
    take(from, h, message);
    if isundefined(entry[h].state) then  -- only a request of the old epoch can come so early
      assert planted = old_epoch_accepted "a request for a directory that is not there";
      return;
    endif;
    assert entry[h].queue[from].wish = none "two requests of a node";
    entry[h].queue[from].wish := message.wish;
    entry[h].queue[from].number := message.transaction.number;
  end;

  -- Directory::on_done, finish
  rule "done" can_take(from, h, done) ==>
  var message: Message;
      next: Message;
  begin
    take(from, h, message);
    if isundefined(entry[h].state) then
      assert planted = old_epoch_accepted "a done for a directory that is not there";
      return;
    endif;
    assert entry[h].busy & entry[h].current.requester = from &
           entry[h].current.number = message.transaction.number "done of another request";
    if entry[h].wish = read then
      if entry[h].state = owned then entry[h].state := sharing; endif;
      entry[h].copyset[from] := true;
    else
      entry[h].state := owned;
      clear_set(entry[h].copyset);
      entry[h].copyset[from] := true;
      entry[h].version := entry[h].version + 1;
    endif;
    if entry[h].releases & planted != early_release then
      start_message(h, release, message.transaction, next);
      send(h, entry[h].release_to, next);
    endif;
    entry[h].busy := false;
    undefine entry[h].current;
    undefine entry[h].wish;
    undefine entry[h].releases;
    undefine entry[h].release_to;
  end;
end;

function needs_source(h: Node; r: Node): boolean;
begin
  return (entry[h].state = sharing | entry[h].state = owned) &
         !(entry[h].queue[r].wish != read & entry[h].copyset[r]);
end;

function chooses_itself(h: Node): boolean;
begin
  return entry[h].state = sharing & entry[h].copyset[h];
end;

-- Directory::serve_queue and start: any of the queue, for age is left out. source: what
-- Directory::source_of says.
ruleset h: Node; r: Node; source: Node do
  rule "begin"
    home_of(h) = h & !isundefined(entry[h].state) & !entry[h].busy &
    entry[h].queue[r].wish != none &
    -- Only where core chooses is there a choice, lest states be met thrice.
    (needs_source(h, r) ? entry[h].copyset[source] & (chooses_itself(h) -> source = h)
                        : source = h)
  ==>
  var message: Message;
      acks: 0..2;
      wish: Wish;
      has_it: boolean;
  begin
    wish := entry[h].queue[r].wish;
    has_it := entry[h].copyset[r];
    assert !(has_it & (wish = read | entry[h].state = owned)) "asks for what it has";
    assert entry[h].state != lost "asks for a lost page";
    if planted = lost_upgrade_race & wish = upgrade then has_it := true; endif;
    entry[h].busy := true;
    entry[h].current.requester := r;
    entry[h].current.number := entry[h].queue[r].number;
    entry[h].wish := wish;
    entry[h].releases := false;
    undefine entry[h].queue[r];
    entry[h].queue[r].wish := none;

    acks := 0;
    if wish != read & entry[h].state != owned then  -- invalidate()
      for s: Node do
        if entry[h].copyset[s] & s != r & (has_it | entry[h].state = zero | s != source) then
          acks := acks + 1;
          start_message(h, invalidate, entry[h].current, message);
          send(h, s, message);
        endif;
      endfor;
    endif;

    if entry[h].state = zero | has_it then  -- start_read, grant_writing
      start_message(h, grant, entry[h].current, message);
      message.wish := wish = read ? read : write;
      message.version := wish = read ? entry[h].version : entry[h].version + 1;
      message.acks := acks;
      message.is_zero := !has_it;
      send(h, r, message);
    else  -- recall
      start_message(h, recall, entry[h].current, message);
      message.wish := wish = read ? read : write;
      message.version := wish = read ? entry[h].version : entry[h].version + 1;
      message.acks := acks;
      send(h, source, message);
      if wish != read then
        entry[h].releases := true;
        entry[h].release_to := source;
      endif;
    endif;
  end;
end;

-- ---- holders --------------------------------------------------------------------------------

ruleset h: Node; n: Node do
  -- Holder::on_recall; give_read_copy, give_away
  rule "recall" can_take(h, n, recall) ==>
  var message: Message;
      data: Message;
  begin
    take(h, n, message);
    assert has_copy(n) "a recall of what is not here";
    start_message(n, page_data, message.transaction, data);
    data.wish := message.wish;
    data.version := message.version;
    data.acks := message.acks;
    data.value := value[n];
    if message.wish = read then
      if planted != downgrade_unprotected then state[n] := shared; endif;
    else
      assert !slot[n].used "a second slot for the page";
      if planted != early_release then
        slot[n].used := true;
        slot[n].transaction := message.transaction;
        slot[n].version := message.version;
        slot[n].value := value[n];
      endif;
      state[n] := invalid;
      undefine value[n];
    endif;
    send(n, message.transaction.requester, data);
  end;

  -- Holder::on_invalidate, drop
  rule "invalidate" can_take(h, n, invalidate) ==>
  var message: Message;
      ack: Message;
  begin
    take(h, n, message);
    assert state[n] = shared "an invalidation of what is not here";
    if planted != skipped_invalidate then
      state[n] := invalid;
      undefine value[n];
    endif;
    start_message(n, invalidate_ack, message.transaction, ack);
    send(n, message.transaction.requester, ack);
  end;

  -- Holder::on_release
  rule "release" can_take(h, n, release) ==>
  var message: Message;
  begin
    take(h, n, message);
    assert slot[n].used & slot[n].transaction.requester = message.transaction.requester &
           slot[n].transaction.number = message.transaction.number "a release of another slot";
    clear_slot(n);
  end;
end;

-- ---- requesters -----------------------------------------------------------------------------

ruleset from: Node; n: Node do
  -- Requester::on_data
  rule "page data" can_take(from, n, page_data) ==>
  var message: Message;
  begin
    take(from, n, message);
    if is_current(n, message.transaction) then
      assert !pending[n].permitted & state[n] = invalid "data that nobody waits for";
      pending[n].permitted := true;
      pending[n].is_write := message.wish = write;
      pending[n].acks_expected := message.acks;
      state[n] := installing;
      version[n] := message.version;
      value[n] := message.value;
      complete_if_ready(n);
    endif;
  end;

  -- Requester::on_grant
  rule "grant" can_take(from, n, grant) ==>
  var message: Message;
  begin
    take(from, n, message);
    if is_current(n, message.transaction) then
      assert !pending[n].permitted & state[n] = (message.is_zero ? invalid : shared)
        "a grant that does not fit";
      pending[n].permitted := true;
      pending[n].is_write := message.wish = write;
      pending[n].acks_expected := message.acks;
      version[n] := message.version;
      if message.is_zero then
        state[n] := installing;
        value[n] := 0;
      endif;
      complete_if_ready(n);
    endif;
  end;

  -- Requester::on_ack
  rule "invalidate ack" can_take(from, n, invalidate_ack) ==>
  var message: Message;
  begin
    take(from, n, message);
    if is_current(n, message.transaction) then
      assert !pending[n].acks_from[from] "a second acknowledgement";
      pending[n].acks_from[from] := true;
      complete_if_ready(n);
    endif;
  end;
end;

-- ---- removal --------------------------------------------------------------------------------

-- No function of core: consensus decides that a node is removed, whose lease has ended, and which
-- of those left is the home from then on. Each of them hears of it in the rule "new epoch"; the
-- removed node does not, and goes on in the old one.
ruleset victim: Node; heir: Node do
  rule "removal"
    !any_removed & !is_in_step() & heir != victim & (home[0] != victim -> heir = home[0])
  ==>
  begin
    any_removed := true;
    removed := victim;
    home[1] := heir;
    for n: Node do
      reports[n].here := false;
      awaits_rebuilt[n] := n != victim;
    endfor;
    known_zero := false;
  end;
end;

-- Node::on(MemberRemoved), Requester::ask_anew, Recovery::begin: a survivor hears of the new epoch.
-- What it waits for is asked for again once the directory is rebuilt, and what was asked of it is
-- forgotten (here: dropped with the old epoch's messages). Bytes that came for a write that lacks
-- acknowledgements become a read copy, and an upgrade that lacks some stays one. It reports its
-- entry of the page table, also its version, and of which transaction the bytes in its slot are.
ruleset n: Node do
  rule "new epoch"
    any_removed & n != removed & epoch[n] = 0 & !is_in_step()
  ==>
  var message: Message;
      transaction: Transaction;
      wish: Wish;
      kept: Channel;
  begin
    if state[n] = installing then state[n] := shared; endif;
    wish := pending[n].wish;
    clear_pending(n);
    if wish != none then
      pending[n].wish := wish;
      pending[n].number := numbers[n];
      pending[n].permitted := false;
      clear_set(pending[n].acks_from);
    endif;
    if home[0] = n then
      known_zero := entry[n].state = zero &
                    !(entry[n].busy & entry[n].current.requester = removed & entry[n].wish != read);
      undefine entry[n];
    endif;
    epoch[n] := 1;
    if planted != old_epoch_accepted then
      for f: Node do  -- dropped whenever they come; see send()
        undefine kept;
        kept.count := 0;
        for i: 0..channel_max - 1 do
          if i < channel[f][n].count then
            if channel[f][n].queue[i].epoch = 1 then
              kept.queue[kept.count] := channel[f][n].queue[i];
              kept.count := kept.count + 1;
            endif;
          endif;
        endfor;
        channel[f][n] := kept;
      endfor;
    endif;
    transaction.requester := n;
    transaction.number := numbers[n];
    start_message(n, report, transaction, message);
    message.state := state[n];
    message.version := version[n];
    message.slot := slot[n];
    undefine message.slot.value;
    send(n, home[1], message);
    -- From here on nothing that the removed node does can reach anybody: forgotten, for it would
    -- only multiply states.
    if forall s: Node do s = removed | epoch[s] = 1 end then
      may_be_lost := state[removed] != invalid | slot[removed].used |
                     (pending[removed].wish != none & pending[removed].wish != read) |
                     (home[0] = removed & last = 0) |
                     exists s: Node do
                       slot[s].used & slot[s].transaction.requester = removed
                     end;
      if planted = old_epoch_accepted then return; endif;
      state[removed] := invalid;
      undefine value[removed];
      undefine entry[removed];
      clear_pending(removed);
      clear_slot(removed);
      poisoned[removed] := true;
      for f: Node do
        undefine channel[f][removed];
        channel[f][removed].count := 0;
      endfor;
    endif;
  end;
end;

-- Is what this node keeps in its slot the page? Only if the transaction was a survivor's, who never
-- got the bytes: it would have their version. If the removed node got them, it may have written.
function is_worth_taking_back(n: Node): boolean;
begin
  if planted = slots_not_looked_at | !reports[n].slot.used then return false; endif;
  if planted = slots_trusted then return true; endif;
  return reports[n].slot.transaction.requester != removed &
         reports[reports[n].slot.transaction.requester].version < reports[n].slot.version;
end;

-- Node::rebuild, Directory::rebuild: with the last report the new home makes the directory anew.
-- Copies count most; without one, a page of which the old home knew that it is zero; then bytes in
-- a slot. Otherwise it is lost.
procedure rebuild(h: Node);
var message: Message;
    transaction: Transaction;
    takes_back: NodeSet;
begin
  clear_entry(h, lost);
  clear_set(takes_back);
  for n: Node do
    if n != removed then
      if reports[n].version > entry[h].version then entry[h].version := reports[n].version; endif;
      if reports[n].slot.used then
        if reports[n].slot.version > entry[h].version then
          entry[h].version := reports[n].slot.version;
        endif;
      endif;
      if reports[n].state = shared | reports[n].state = exclusive then
        entry[h].copyset[n] := true;
        entry[h].state := reports[n].state = shared ? sharing : owned;
      endif;
    endif;
  endfor;
  if known_zero & entry[h].version = 0 then entry[h].state := zero; endif;
  if known_zero & entry[h].state = lost then entry[h].state := zero; endif;
  if entry[h].state = lost then
    for n: Node do
      if n != removed & is_worth_taking_back(n) then
        takes_back[n] := true;
        entry[h].copyset[n] := true;
        entry[h].state := sharing;
      endif;
    endfor;
    assert count(takes_back) <= 1 | planted = slots_trusted "two slots with the page";
  endif;
  assert entry[h].state = lost -> may_be_lost "a page is lost without need";
  assert entry[h].state = zero -> last = 0 "a written page becomes zero";
  is_rebuilt := true;
  for n: Node do
    if n != removed then
      transaction.requester := h;
      transaction.number := 0;
      start_message(h, rebuilt, transaction, message);
      message.takes_back := takes_back[n];
      message.is_lost := entry[h].state = lost;
      send(h, n, message);
    endif;
    undefine reports[n];
    reports[n].here := false;
  endfor;
  known_zero := false;
end;

ruleset from: Node; h: Node do
  -- Recovery::on_report
  rule "report" can_take(from, h, report) ==>
  var message: Message;
  begin
    take(from, h, message);
    reports[from].here := true;
    reports[from].state := message.state;
    reports[from].version := message.version;
    reports[from].slot := message.slot;
    if forall n: Node do n = removed | reports[n].here end then rebuild(h); endif;
  end;
end;

-- Node::handle(Rebuilt): the directory is there again. Kept bytes are taken back or freed; what
-- waits is asked for anew, under its old transaction: the epoch alone tells old answers from new
-- ones. Threads that need a lost page are told (Poison).
ruleset h: Node; n: Node do
  rule "rebuilt" can_take(h, n, rebuilt) ==>
  var message: Message;
      wish: Wish;
  begin
    take(h, n, message);
    awaits_rebuilt[n] := false;
    if message.takes_back then
      assert state[n] = invalid "taken back on top of a copy";
      state[n] := shared;
      version[n] := slot[n].version;
      value[n] := slot[n].value;
    endif;
    clear_slot(n);
    wish := pending[n].wish;
    clear_pending(n);
    if message.is_lost then
      poisoned[n] := true;
    elsif wish != none & !(state[n] = exclusive | (state[n] = shared & wish = read)) then
      submit(n, wish);
    endif;
  end;
end;

-- ---- the whole ------------------------------------------------------------------------------

-- No function of core: the end of a run, which is no deadlock. Nobody who is left waits, and
-- nothing is on its way.
rule "rest"
  forall n: Node do
    is_member(n) -> pending[n].wish = none & !awaits_rebuilt[n] &
                    (any_removed -> epoch[n] = 1) &
                    forall from: Node do channel[from][n].count = 0 end
  end
==>
begin
end;

ruleset h: Node do
  startstate
  begin
    home[0] := h;
    for n: Node do
      for m: Node do channel[n][m].count := 0; endfor;
      epoch[n] := 0;
      state[n] := invalid;
      version[n] := 0;
      clear_slot(n);
      clear_pending(n);
      numbers[n] := 0;
      reports[n].here := false;
      awaits_rebuilt[n] := false;
      poisoned[n] := false;
    endfor;
    clear_entry(h, zero);
    known_zero := false;
    any_removed := false;
    is_rebuilt := false;
    request_count := 0;
    last := 0;
    may_be_lost := false;
  end;
end;

invariant "one writer or many readers"
  forall n: Node do forall m: Node do
    is_member(n) & is_member(m) & n != m & state[n] = exclusive -> !has_copy(m)
  end end;

invariant "a read sees the last write"
  forall n: Node do is_member(n) & has_copy(n) -> value[n] = last end;

-- While a directory is being rebuilt there is none to be exact.
invariant "every copy is in the directory"
  forall n: Node do
    is_member(n) & has_copy(n) & (any_removed -> is_rebuilt) ->
      entry[home[any_removed ? 1 : 0]].copyset[n] |
      (entry[home[any_removed ? 1 : 0]].busy &
       entry[home[any_removed ? 1 : 0]].current.requester = n)
  end;

-- The last write is in some frame or slot, and never only in a message.
invariant "no lost update"
  (any_removed -> is_rebuilt) & entry[home[any_removed ? 1 : 0]].state != lost ->
    (last = 0 & entry[home[any_removed ? 1 : 0]].state = zero) |
    exists n: Node do
      is_member(n) & ((state[n] != invalid & value[n] = last) |
                      (slot[n].used & slot[n].value = last))
    end;

-- Or it would wait for ever.
invariant "who waits for the directory is reported and will be told"
  forall n: Node do
    is_member(n) & any_removed & epoch[n] = 1 & awaits_rebuilt[n] ->
      (is_rebuilt ? is_on_its_way(home[1], n, rebuilt)
                  : reports[n].here | is_on_its_way(n, home[1], report))
  end;

invariant "a lost page is nowhere"
  any_removed & is_rebuilt & entry[home[1]].state = lost ->
    forall n: Node do is_member(n) -> state[n] = invalid end;
