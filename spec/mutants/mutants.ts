/** One change of a text that must be there exactly once. */
export interface Edit {
  /** Below lib/. */
  readonly file: string
  readonly text: string
  readonly by: string
}

/** A planted bug. The simulator must find it, or it cannot be trusted when it finds nothing. */
export interface Mutant {
  /** A rule of the list in docs/testing.md, or a state machine. */
  readonly rule: string
  readonly name: string
  readonly edits: readonly Edit[]
  /** The spec that finds it in the simulator's place, which has not come by what it takes. */
  readonly foundBy?: string
}

const mutant = (rule: string, name: string, file: string, text: string, by: string, ...more: Edit[]): Mutant => ({ rule, name, edits: [{ file, text, by }, ...more] })
/** @param spec below spec/, without its ending */
const bySpec = (spec: string, name: string, ...edit: [file: string, text: string, by: string, ...more: Edit[]]): Mutant => ({ ...mutant('found', name, ...edit), foundBy: `spec/${spec}.spec.ts` })

export const mutants: readonly Mutant[] = [
  // 1: term and vote are durable before any message that depends on them leaves
  mutant('1', 'votes leave before they are durable', 'replica/persistence.ts', 'this.#steps.push({ hardState, entries, heldMessages: messagesAfterPersist, catchUp })', 'const held = messagesAfterPersist.filter(({ after }) => after.index !== undefined)\n    this.#options.send(messagesAfterPersist.filter((message) => !held.includes(message)).map(({ message }) => message))\n    this.#steps.push({ hardState, entries, heldMessages: held, catchUp })'),
  mutant('1', 'what is written twice is not synced', 'log/slot-file.ts', 'await file.write(encodeSlot(this.#format, this.#sequence, values), at)\n      await file.sync()', 'await file.write(encodeSlot(this.#format, this.#sequence, values), at)'),
  mutant('1', 'the term is saved, the vote is not', 'log/vote-file.ts', 'writeBoth([hardState.term, hardState.vote])', 'writeBoth([hardState.term, 0])'),
  // 2: never back to term 0
  mutant('2', 'a lost vote file is made anew', 'replica/storage.ts', '{ mustExist: true }).catch(', '{ mustExist: false }).catch(', { file: 'replica/storage.ts', text: 'if (hardState.term < log.lastTerm) {', by: 'if (hardState.term < log.lastTerm - 1e9) {' }),
  // 3: one vote per term, for a log as good as the own
  mutant('3', 'a vote is given to whoever asks', 'raft/election.ts', '(core.vote === 0 && core.leaderId === 0) ||', 'core.leaderId !== core.id ||'),
  mutant('3', 'a candidate may lack entries', 'raft/election.ts', 'const granted = mayVote && core.log.isUpToDate(request.lastIndex, request.lastTerm)', 'const granted = mayVote'),
  mutant('3', 'the longer log wins, whatever its last term', 'raft/raft-log.ts', 'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)', 'return lastIndex >= this.lastIndex'),
  mutant('3', 'the higher last term wins, however short', 'raft/raft-log.ts', 'return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)', 'return lastTerm >= this.lastTerm'),
  // 4: the term comes first
  mutant('4', 'messages of older terms are acted on', 'raft/raft.ts', 'if (message.term < core.term) {\n      this.#refuse(message)', 'if (message.term < core.term - 1e9) {\n      this.#refuse(message)'),
  mutant('4', 'a leader does not step down for a later term', 'raft/raft.ts', 'default:\n        core.becomeFollower(message.term, 0)\n        return true', 'default:\n        return true'),
  // 5: what an append follows is checked
  mutant('5', 'the term before an append is not compared', 'raft/raft-log.ts', 'if (!this.matches(prevIndex, prevTerm)) return -1', 'if (prevIndex > this.lastIndex) return -1'),
  // 6, 7: cuts only from the first conflict, never of what is committed
  mutant('6', 'an append cuts what lies behind it', 'raft/raft-log.ts', 'while (next < entries.length && this.matches(entries[next]!.index, entries[next]!.term)) next++', ''),
  mutant('7', 'a stale append cuts what is committed', 'raft/raft-log.ts', 'while (next < entries.length && this.matches(entries[next]!.index, entries[next]!.term)) next++', '',
    { file: 'raft/follower.ts', text: 'if (message.prevIndex < log.commitIndex) {', by: 'if (message.prevIndex < log.commitIndex - 1e9) {' },
    { file: 'raft/raft-log.ts', text: '    invariant(index > this.commitIndex,', by: '    invariant(index > 0,' }),
  // 8: a leader never rewrites its log
  mutant('8', 'a leader begins its term where it knows of no majority', 'raft/leader.ts', 'core.termStartIndex = log.lastIndex + 1', 'const own = log.commitTerm > 0 && log.commitIndex < log.lastIndex ? log.commitIndex + 1 : 0\n  core.termStartIndex = own > 0 ? own : log.lastIndex + 1',
    { file: 'raft/leader.ts', text: 'appendOwn(core, EntryKind.noop, undefined)\n', by: 'if (own > 0) log.maybeAppend(own - 1, log.commitTerm, [core.options.makeEntry({ kind: EntryKind.noop, index: own, term: core.term, prevTerm: log.commitTerm, physicalOffset: log.positionOf(own)! })])\n  else appendOwn(core, EntryKind.noop, undefined)\n' }),
  // 9: only entries of the present term are counted
  mutant('9', 'entries of older terms are committed by counting', 'raft/leader.ts', 'if (index < core.termStartIndex || !core.log.commitTo(index)) return false', 'if (!core.log.commitTo(index)) return false'),
  mutant('9', 'one copy counts as a majority', 'raft/quorum.ts', 'return scratch[count >> 1]!', 'return scratch[0]!'),
  // 10: a no-op begins a term
  mutant('10', 'a term begins without an entry', 'raft/leader.ts', 'appendOwn(core, EntryKind.noop, undefined)\n', ''),
  mutant('10', 'reads do not wait for the first entry of the term', 'raft/leader.ts', 'if (core.hasCommittedInTerm) takeRead(core, from, context)\n  else core.reads.postpone(from, context)', 'takeRead(core, from, context)'),
  // 11: acknowledged is durable
  mutant('11', 'a leader counts its own copy before it is synced', 'raft/core.ts', 'this.countsWritten ? this.log.durableIndex : this.log.syncedIndex', 'this.log.lastIndex'),
  mutant('11', 'a follower acknowledges what it has not synced', 'replica/persistence.ts', '(index === undefined || index <= this.#persistedIndex)', '(index === undefined || index > 0)'),
  mutant('11', 'flushes end without a sync', 'log/buffered-flush.ts', 'if (this.#sync) await file.sync()', ''),
  mutant('11', 'a flush is reported when it begins', 'log/writer.ts', 'this.#collect()\n    const startedAt = this.#flushingSinceMs = this.#clock.nowMs()\n    await this.#flush.write(this.#zerosBehind)', 'this.#collect()\n    const startedAt = this.#flushingSinceMs = this.#clock.nowMs()\n    const writing = this.#flush.write(this.#zerosBehind)\n    this.#finish(0)\n    this.#options.onProgress()\n    await writing'),
  // 12: an error of the disk stops the node
  mutant('12', 'the log goes on after an error', 'log/writer.ts', '      }\n    } catch (error) {\n      this.#fail(error)\n    }\n    this.#rest()\n  }', '      }\n    } catch {}\n    this.#rest()\n  }'),
  mutant('12', 'a vote that could not be written counts as written', 'log/vote-file.ts', 'throw this.#fail(cause)', ''),
  mutant('12', 'after a copy was torn the other one is written', 'log/slot-file.ts', 'this.#failure = error\n      throw error', 'throw error'),
  // 13: names are durable before what they name matters
  mutant('13', 'the name of a new segment is not synced', 'log/segment-store.ts', 'await this.#disk.syncDirectory(this.#directory)\n    } catch (error) {', '} catch (error) {'),
  // 14: torn and rotten are different
  mutant('14', 'rot is taken for a torn tail', 'log/recovery.ts', 'if (witness > position) {', 'if (witness > Infinity) {'),
  mutant('14', 'what another process wrote is not written again', 'log/recovery.ts', 'await writeAgain(file, Math.max(0, provenByte), fromByte)', ''),
  // 15: checksums hold for bodies, and are looked at
  mutant('15', 'checksums of bodies are not looked at', 'log/entry.ts', 'if (hash64(bytes.subarray(from, to), blockSeed(header.checksum, block)) !== view.getBigUint64(bodyAt + header.bodyBytes + 8 * block)) return block', ''),
  // 16: nothing stale behind the tail
  mutant('16', 'what is cut stays on disk', 'log/cut.ts', 'await zeroRange(file, from - basePosition, Math.min(to - basePosition, await file.sizeBytes()))', '',
    { file: 'log/recovery.ts', text: 'await zeroRange(file, fromByte, behind.writtenEnd)', by: '' }),
  // 18: a tail is proven anew
  mutant('18', 'what a peer held in an earlier term counts', 'raft/progress.ts', 'reset (nextIndex: number): void {\n    this.#knowNothing(nextIndex)\n', "reset (nextIndex: number): void {\n    this.#enter('probe')\n    this.nextIndex = nextIndex\n    this.sentCommitIndex = 0\n"),
  // 19: who lost its disk is somebody else
  mutant('19', 'an empty node takes its old name', 'group/incarnation-file.ts', 'const incarnation = 1 + Math.floor(random.next() * (INCARNATIONS - 1))', 'const incarnation = 7'),
  mutant('19', 'two nodes may found the group', 'group/formation.ts', 'believed.length === others.length && isLowest && mayFound', 'believed.length === others.length && mayFound'),
  // 20: apply is deterministic, in order, once
  mutant('20', 'applying reads a clock', 'store/commit-log.ts', 'if (stampMs >= this.#lastStampMs) {\n', 'stampMs += Math.floor(performance.now() % 2)\n    if (stampMs >= this.#lastStampMs) {\n'),
  mutant('20', 'a restart applies the last entry again', 'replica/applier.ts', 'this.#appliedIndex = this.#committedIndex = options.appliedIndex', 'this.#appliedIndex = this.#committedIndex = Math.max(0, options.appliedIndex - 1)'),
  // 21: acknowledged is committed, unknown is not refused
  mutant('21', 'writes are acknowledged when they are sealed', 'replica/undecided-batches.ts', 'this.#batches.push(batch)\n', 'settleRange(batch.proposals, batch.from, batch.to)\n    batch = { ...batch, to: batch.from }\n    this.#batches.push(batch)\n'),
  mutant('21', 'a write that was given up is said not to be applied', 'replica/undecided-batches.ts', 'fail(batch, error(batch.term))', "fail(batch, new MqError(error(batch.term).code, 'given up', { outcome: 'not-applied' }))"),
  mutant('21', 'a write is acknowledged though another took its place', 'replica/undecided-batches.ts', 'if (batch.term === term) {', 'if (batch.term <= term) {'),
  // 22: reads ask a majority
  mutant('22', 'a read is answered without a majority', 'raft/leader.ts', 'if (core.membership.isSingleVoter) {\n    answerRead', 'if (core.membership.isVoter) {\n    answerRead'),
  mutant('22', 'a read does not wait for what it is to see', 'replica/read-barriers.ts', 'const ready = this.#answered.filter(({ index }) => index <= appliedIndex)', 'const ready = this.#answered.slice()', { file: 'replica/read-barriers.ts', text: 'this.#answered = this.#answered.filter(({ index }) => index > appliedIndex)', by: 'this.#answered = []' }),
  // 23: wall clocks decide nothing
  mutant('23', 'ticks are measured on the wall clock', 'replica/ticker.ts', 'const nowMs = this.#clock.nowMs()', 'const nowMs = this.#clock.wallMs()'),
  // 24: pre-votes, quorum checks, loyalty to a leader
  mutant('24', 'nodes campaign without asking first', 'replica/replica.ts', 'preVote: true', 'preVote: false', { file: 'raft/core.ts', text: "return this.options.checkQuorum && this.leaderId !== 0 && this.leaderLink === 'there' && this.electionElapsedTicks < this.options.electionTicks", by: 'return false' }),
  mutant('24', 'a leader without a majority goes on', 'replica/replica.ts', 'checkQuorum: true', 'checkQuorum: false'),
  // 25: a leader whose disk stands still, or is full, goes
  mutant('25', 'a leader with a stuck disk stays', 'group/leader-watch.ts', 'if (flushMs >= settings.diskStallTimeoutMs) {', 'if (flushMs >= Infinity) {'),
  mutant('25', 'a disk that hangs where a segment begins is not seen', 'log/writer.ts', 'this.#flushingSinceMs = this.#clock.nowMs()\n      await this.#roll()', 'await this.#roll()'),
  mutant('25', 'a leader with a full disk stays', 'group/leader-watch.ts', 'this.#shortSinceMs = isShortOfRoom ?', 'this.#shortSinceMs = !isShortOfRoom && isShortOfRoom ?'),
  // 26: changes of members
  mutant('26', 'two changes of members at once', 'raft/leader.ts', "if (core.pendingConfIndex > core.log.appliedIndex) return 'refused'\n", ''),
  mutant('26', 'a joint configuration needs one majority only', 'raft/quorum.ts', 'return Math.min(incoming, majorityIndex(electorate.votersOutgoing, acked))', 'return incoming'),
  mutant('26', 'learners count', 'raft/membership.ts', 'return quorumIndex(this.conf, acked)', 'return quorumIndex({ voters: [...this.conf.voters, ...this.conf.learners], votersOutgoing: this.conf.votersOutgoing }, acked)'),
  // 27: who was removed steps down
  mutant('27', 'a leader that was removed goes on', 'raft/leader.ts', 'if (!core.membership.isVoter) {\n    core.becomeFollower(core.term, 0)\n    return\n  }', ''),
  // 28: a log is replaced only forward, at once, durably
  mutant('28', 'what another node has sent is put in place before it is synced', 'log/received-log.ts', 'await this.#file?.sync()\n', ''),
  mutant('28', 'the state that was sent lies beside the old log', 'replica/install.ts', 'for (const part of PARTS) await removeOthers(disk, join(directory, part), filesOf[part])', ''),
  // 29: what stood before the first entry is known
  mutant('29', 'the head is removed before its end is noted', 'log/log-upkeep.ts', 'await this.#floorFile.save(floor)\n', ''),
  // 30: no new work before the disk is full, consumers go on, and all of it by itself
  mutant('30', 'sends take what is kept in reserve', 'replica/proposal-pipeline.ts', 'return hasRoomFor(bytes) ? undefined', 'return hasRoomFor(bytes) || bytes >= 0 ? undefined'),
  mutant('30', 'who had no room once never has any', 'log/disk-room.ts', 'this.#freeBytes = (await disk.room(directory)).freeBytes', 'this.#freeBytes = Math.min(this.#freeBytes, (await disk.room(directory)).freeBytes)'),
  mutant('30', 'what was refused is not looked after', 'log/disk-room.ts', 'this.#wantedBytes = sizeBytes\n    this.#arm()\n', ''),
  mutant('30', 'a send that is refused for want of room may have happened', 'base/errors.ts', "MQ_DISK_ROOM: entry('not-applied'", "MQ_DISK_ROOM: entry('unknown'"),
  mutant('30', 'consumers need room as senders do', 'replica/proposal-pipeline.ts', 'if (relieves) {', 'if (relieves && hasRoomFor(bytes)) {'),
  mutant('30', 'a node ends when there is no room for a base dump', 'store/base-dumps.ts', "if (diskErrorCode(error) !== 'ENOSPC' && !isMqError(error, 'MQ_DISK_ROOM')) throw error", 'throw error'),
  // 31: old, repeated and foreign messages do no harm
  mutant('31', 'a heartbeat commits what was not compared', 'raft/replication.ts', 'const commitIndex = Math.min(peer.matchIndex, commitIndexFor(core, peer))', 'const commitIndex = commitIndexFor(core, peer)'),
  mutant('31', 'an append commits beyond itself', 'raft/follower.ts', 'log.commitTo(Math.min(message.commitIndex, matched))', 'log.commitTo(Math.min(message.commitIndex, log.lastIndex))'),
  // 32: a write that replaces an entry waits for the one before
  // who hands a write over does not take its report for what is cut, either
  mutant('32', 'a report of a write counts for what replaced it', 'raft/unstable.ts', 'return this.#cutDue && this.#writeUnderWay', 'return false', { file: 'replica/persistence.ts', text: 'Math.min(index, this.#cutFrom - 1)', by: 'index' }),
  // 33: what waits, and what is kept in memory, is bounded
  mutant('33', 'any number of proposals waits', 'replica/proposal-pipeline.ts', "if (count >= maxPendingProposals) return busy('maxPendingProposals', maxPendingProposals)\n    if (bytes", 'if (bytes'),
  mutant('33', 'proposals of any size wait', 'replica/proposal-pipeline.ts', "if (bytes > maxPendingBytes) return busy('maxPendingBytes', maxPendingBytes)\n    return", 'return'),
  mutant('33', 'any number of entries is not decided', 'replica/proposal-pipeline.ts', 'this.#undecided.batchCount < maxUndecidedEntries && ', ''),
  mutant('33', 'a follower is sent more than its window takes', 'raft/inflights.ts', ' || this.bytes >= this.#maxBytes', ''),
  mutant('33', 'the end of the log stays in memory', 'log/tail-cache.ts', 'while (this.#bytes > this.#limitBytes) {', 'while (this.#bytes > 16 * this.#limitBytes) {'),
  mutant('33', 'what is read back stays in memory', 'log/extent-cache.ts', 'while (this.#bytes > this.#limitBytes && this.#extents.length > 1) this.#evictOldest()', ''),
  mutant('33', 'applying does not wait for a checkpoint', 'replica/checkpoints.ts', 'this.#isPaused = true\n    this.#options.pauseApply()', ''),

  // what was found with the simulator, and is guarded since
  mutant('found', 'a leader stops when what a follower lacks is removed while it is read', 'replica/replica.ts', "if (!isMqError(error, 'MQ_INVALID_ARGUMENT') && !isMqError(error, 'MQ_MESSAGE_NOT_FOUND')) {", "if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) {"),
  mutant('found', 'damage that is met while the log is cut counts as cut off', 'log/raft-log.ts', 'if (from >= reading.cutFrom) throw', 'throw'),
  mutant('found', 'what was read of the log changes in the hands of who keeps it', 'log/piece-memory.ts', 'return new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer, 0, sizeBytes)', 'return Buffer.allocUnsafeSlow(capacity).subarray(0, sizeBytes)'),
  mutant('found', 'a file that another query has made anew is taken for removed', 'key-index/key-index.ts', 'if (this.#sealed.includes(block)) {\n      try {', 'if (!this.#sealed.includes(block)) return []\n    else {\n      try {'),

  // the same, where the simulator has not come by what it takes: a spec of their own finds them
  bySpec('raft/scenarios', 'a leader that hears nobody leaves, and tells nobody to look for votes', 'raft/leader.ts', 'if (able.length > 0) sendTimeoutNow(core, able.reduce((best, peer) => peer.matchIndex > best.matchIndex ? peer : best).id)\n', ''),
  bySpec('log/recovery', 'behind what cannot be read of a sealed segment its last known term goes on', 'log/recovery.ts', 'this.terms.noteUnknown(bad.index)\n', ''),
  bySpec('store/store', 'where all of a queue is removed the head of the log is to tell its time', 'store/queue-rescan.ts', '(queue.lastStampMs === lastStampMs || maxPosition < floorPosition)', 'queue.lastStampMs === lastStampMs'),
  bySpec('log/reads', 'what is read of a log while it is cut is kept as it was', 'log/cold-reader.ts', 'for (const load of this.#loads) load.cutAt = Math.min(load.cutAt, position)', '',
    { file: 'log/raft-log.ts', text: 'await this.#upkeep.cut(point)\n      this.#cold.truncate(position)', by: 'await this.#upkeep.cut(point)' }),
  bySpec('log/recovery', 'damage is not mended where the terms before it are unknown', 'log/mending.ts', '(term(end.index - 1) ?? (behind?.index === end.index ? behind.prevTerm : undefined))', 'term(end.index - 1)',
    { file: 'log/recovery.ts', text: 'this.terms.note(from.index - 1, from.prevTerm!)\n', by: '' }),
  bySpec('kv/kv', 'who reads while the state closes is told of its database', 'kv/kv.ts', "CLOSED_CODES.includes((error as { readonly code?: string }).code!) ? new MqError('MQ_CLOSED', 'the state store is closed', { cause: error }) : error", 'error'),
  bySpec('replica/applier', 'a read of what is to be applied that hangs is not seen', 'replica/applier.ts', 'this.#readingSinceMs = this.#options.clock.nowMs()\n', ''),
  bySpec('group/leader-watch', 'a leader with a stuck disk stays where no transfer comes about', 'group/leader-watch.ts', 'if (await this.#handOver(id, why) || this.#leaveTo(id, why)) return', 'if (await this.#handOver(id, why)) return'),
  bySpec('group/flush-mode', 'a leader that does not sync each write yet counts what it has only written', 'raft/core.ts', 'this.countsWritten ? this.log.durableIndex : this.log.syncedIndex', 'this.log.durableIndex'),
  bySpec('group/async-slave', 'a learner is told of what is on no disk while the voters change to syncing each write', 'raft/replication.ts', 'return isLearner(core.membership.conf', 'return core.countsWritten && isLearner(core.membership.conf'),
  bySpec('log/reads', 'a damaged header hides what stands behind it up to what was covered before', 'log/entry-reader.ts', 'if (next !== undefined && positions.cuts === cuts) positions.noteStart(next.position, next.index)', ''),
  bySpec('log/reads', 'what a search behind damage finds counts also where the log was cut meanwhile', 'log/entry-reader.ts', 'if (positions.cuts === cuts) positions.skipTo', 'positions.skipTo'),
  bySpec('key-index/key-index', 'more keys are made anew before those that wait are written', 'key-index/key-index.ts', 'if (this.#unwritten.length > 0) await this.#startWriting()\n', ''),
  bySpec('replica/checkpoints', 'an overdue checkpoint waits for the end of a segment', 'replica/checkpoints.ts', ' || stateMachine.isCheckpointOverdue === true)', ')'),
  bySpec('log/failures', 'a disk that fails while damage is mended stops nothing', 'log/mending.ts', 'throw error instanceof MqError ? error : onFailure(error)', 'throw error'),
  bySpec('replica/persistence', 'what is told of entries that are being cut counts for those in their place', 'replica/persistence.ts', 'Math.min(index, this.#cutFrom - 1)', 'index'),
  bySpec('log/next-segment', 'a sync for which there is no room ends the log though it was for zeros ahead', 'log/next-segment.ts', 'if (file !== undefined && !await this.#hasRoomFor(() => this.#sync(file))) return 0', 'if (file !== undefined) await this.#sync(file)'),
  bySpec('log/reads', 'a read that fails while the log is cut is tried again at once', 'log/raft-log.ts', '      await this.#upkeep.inTurn(async () => {})\n', ''),
  bySpec('log/failures', 'a log that fails while it is cut vouches for what is cut off', 'log/log-upkeep.ts', 'if (!this.#failed) await this.#mark.raise', 'await this.#mark.raise'),
  bySpec('group/incarnation', 'an empty node tells who it is before that is durable', 'group/incarnation-file.ts', '    await disk.syncDirectory(directory)\n    return makeNodeId', '    return makeNodeId'),
  bySpec('log/recovery', 'what is of no known term is a conflict, and is cut off', 'log/recovery.ts', 'from = await nextHeader(await segment.file(), basePosition, bad, endPosition, this.#options.groupSeed) ?? end', 'from = end',
    { file: 'log/raft-log.ts', text: 'if (this.#terms.hasUnknown) this.#learnTerms(entries)', by: '' },
    { file: 'replica/storage.ts', text: 'const isCompared = hasOthers && log.term(appliedIndex) === undefined', by: 'const isCompared = false' },
    { file: 'raft/raft-log.ts', text: 'invariant(this.term(index) !== undefined, ', by: 'invariant(index > 0, ' }),

  // the overlay of proposed changes, checkpoints, base dumps
  mutant('overlay', 'what was proposed outlives its term', 'store/store.ts', 'startLeading (): void { this.#resetOverlay() }\n  stopLeading (): void { this.#resetOverlay() }', 'startLeading (): void {}\n  stopLeading (): void {}\n  overlay (): void { this.#resetOverlay() }'),
  mutant('checkpoint', 'checkpoints are not synced', 'kv/kv.ts', 'this.#db.batch(operations, { sync: true } as object)', 'this.#db.batch(operations, {} as object)'),
  mutant('checkpoint', 'a checkpoint is ahead of the log', 'store/checkpoints.ts', 'const meta = { ...frozen,', 'const meta = { ...frozen, index: frozen.index + 1,'),

  // state machines
  mutant('commit-log', 'checkpoints forget the floor', 'store/commit-log.ts', 'if (!this.#changed) return []\n', 'if (this.#changed !== undefined) return []\n'),
  mutant('commit-log', 'the floor falls', 'store/commit-log.ts', 'if (position <= this.#floorPosition) return\n', 'position = Math.max(0, position - 500)\n'),
  mutant('consume-queue', 'a message is told another offset than it gets', 'store/consume-queue.ts', 'return this.#overlayGeneration === this.#overlay.generation ? this.#proposedNextOffset : this.nextOffset', 'return this.nextOffset'),
  mutant('consume-queue', 'checkpoints forget which queues have grown', 'store/queue-pages.ts', 'queue.isDirty = true\n    this.#dirty.add(queue)', 'queue.isDirty = true\n    if (queue.nextOffset % 3 !== 0) this.#dirty.add(queue)'),
  mutant('delay', 'a message is delivered again while its delivery is under way', 'store/delay-machine.ts', 'this.#proposed.get(number)?.has(ordinal) !== true', 'ordinal >= 0'),
  mutant('delay', 'checkpoints do not say what was delivered', 'store/delay-machine.ts', 'bucket.remove(ordinal)\n      this.#changed.add(bucket)', 'bucket.remove(ordinal)'),
  mutant('delay', 'a delivery takes nothing from what waits', 'store/delay-machine.ts', 'on(delayDeliver, ({ parts }) => { for (const { units } of parts) this.#removeAll(units) }),', 'on(delayDeliver, () => {}),'),
  mutant('delay', 'what is due in a moment is delivered now', 'store/due-units.ts', 'slot.firstMs > nowMs) return undefined', 'slot.firstMs > nowMs + 100) return undefined'),
  mutant('delay', 'what was recalled comes all the same', 'engine/recalls.ts', 'delays.remove(writer, [pending])\n      const { id }', 'const { id }'),
  mutant('delay', 'a message that is moved waits at both times', 'engine/recalls.ts', 'delays.remove(writer, [pending])\n        const queueId', 'const queueId'),
  // dedupe
  mutant('dedupe', 'what is under way is not known yet', 'store/dedupe-machine.ts', 'if (proposed?.has(key) === true) {\n      const message', 'if (proposed?.has(key) === true && key < 0) {\n      const message'),
  // the simulator needed 3,182 seeds once, and once more than 5,000
  { ...mutant('dedupe', 'a new leader knows what it had proposed before', 'store/dedupe-machine.ts', 'this.#proposed.clear()\n    this.#deletions.clear()', 'this.#deletions.clear()'), foundBy: 'spec/store/dedupe.spec.ts' },
  mutant('dedupe', 'checkpoints have no new messages of a window', 'store/dedupe-machine.ts', 'this.#changed.add(pieceKey(topic, Math.floor((window.next - 1) / PIECE_MESSAGES)))', ''),
  mutant('half', 'what is being decided is decided again', 'store/half-machine.ts', 'if (page === undefined || page.proposedOutcomeOf(halfOffset, this.#leadership) !== HalfOutcome.unknown) return undefined', 'if (page === undefined) return undefined'),
  mutant('half', 'checkpoints forget what was decided', 'store/half-machine.ts', 'page.end(halfOffset, outcome)\n    this.#changed.add(page.number)', 'page.end(halfOffset, outcome)'),
  mutant('half', 'a rollback commits', 'engine/half-end.ts', 'if (this.outcome === HalfOutcome.rollback) {', 'if (Number(this.outcome) === HalfOutcome.unknown) {'),
  mutant('tx', 'a transaction does not look whether its messages are still held', 'engine/tx-proposal.ts', 'this.lost = this.#acks.filter((delivery) => !isHeld(machine, delivery))', 'this.lost = this.#acks.filter(() => machine === undefined)'),
  mutant('keyed', 'checkpoints forget values', 'store/keyed-machine.ts', 'else this.#values.set(key, owned(value))\n    this.#changed.add(key)', 'else this.#values.set(key, owned(value))'),
  mutant('pop', 'acknowledgements are not applied', 'store/pop-machine.ts', 'this.#handler(popAck, (command) => this.#applied.ack(command)),', 'this.#handler(popAck, () => {}),'),
  mutant('pop', 'checkpoints forget some queues', 'store/pop-machine.ts', 'changed: (queue) => { this.#dirty.set(queue.number, queue) },', 'changed: (queue) => { if (queue.number % 2 === 0) this.#dirty.set(queue.number, queue) },'),
  mutant('dead-letter', 'a message that is given up is not acknowledged', 'store/dead-letter.ts', 'overlay.record(writer, popAck, { parts: [part] })', ''),
  mutant('dead-letter', 'a message that is given up is put nowhere', 'store/dead-letter.ts', 'queueOffset = this.#target.append(writer, this.#message, tagsCodeOf(this.#message.tags), storeTimestampMs)', 'queueOffset = 0'),
  mutant('resend', 'a dead letter is noted as sent again, and is not', 'engine/dead-letters.ts', 'topic.queue(queueId).append(writer, message, tagsCodeOf(message.tags), storeTimestampMs, topic.storeHost)\n', ''),
  mutant('resend', 'what was sent again is not noted', 'store/pop-settle.ts', 'if (doneParts.length > 0) overlay.record(writer, popAck, { parts: doneParts })', ''),
  mutant('ttl', 'a message is handed out for a while after its time', 'engine/pops.ts', 'if (expiresAtMs(record) <= nowMs) expired', 'if (expiresAtMs(record) <= nowMs - 200) expired'),
  mutant('ttl', 'what stands behind a message whose time is over goes with it', 'engine/pops.ts', 'else deliveries.push(new Delivery(group, topic, record, range))', 'else if (expired === undefined) deliveries.push(new Delivery(group, topic, record, range))',
    { file: 'engine/pops.ts', text: 'records.filter((record) => !expired.has(record))', by: 'records.slice(0, records.findIndex((record) => expired.has(record)))' }),
  mutant('retry', 'the levels decide, whatever the policy', 'engine/send-back.ts', 'const delayMs = policyMs ?? delayOfLevel(levels, level)', 'const delayMs = delayOfLevel(levels, level)'),
  mutant('retry', 'a list of delays begins with its first', 'engine/retry-policy.ts', 'const FIRST_OF_LIST = 2', 'const FIRST_OF_LIST = 0'),
  mutant('retry', 'a message comes once more than its group allows', 'engine/send-back.ts', 'record.reconsumeTimes >= (maxReconsumeTimes', 'record.reconsumeTimes > (maxReconsumeTimes'),
  mutant('filter', 'what is wanted and too much is done', 'engine/pops.ts', 'await this.#leave(wanted.splice(max))', 'rest.push(...wanted.splice(max))'),
  mutant('filter', 'unknown is as good as true', 'filter/sql-filter.ts', 'this.evaluate(bytes, from, to) === Truth.true', 'this.evaluate(bytes, from, to) !== Truth.false'),
  mutant('filter', 'the tag of what a pull begins with is not looked at', 'engine/queue-reads.ts', 'if (tagsCodes !== undefined && !tagsCodes.has(page.tagsCodeOf(unit))) continue', 'if (tagsCodes !== undefined && unit > from && !tagsCodes.has(page.tagsCodeOf(unit))) continue'),
  mutant('key-index', 'keys that do not fit their checksum are used', 'key-index/block-file.ts', ' || checksumOf(bytes, seed) !== head.getUint32(bucketAt + 4)) throw', ') throw'),
  mutant('key-index', 'what no block covers is not read again', 'key-index/key-index.ts', 'if (from > covered) gaps.push({ from: covered, to: from })', ''),
  mutant('key-index', 'what was delivered later is looked for by the time it was stored', 'key-index/key-index.ts', '(maxStampMs >= fromMs || hasHidden)', 'maxStampMs >= fromMs'),
  mutant('priority', 'a dead letter that is sent again comes to any queue', 'engine/dead-letters.ts', 'const queueId = priority !== undefined ? queueOfPriority(priority, topic.queueCount) : key', 'const queueId = key'),
  mutant('priority', 'a priority beyond the last queue begins anew', 'engine/attributes.ts', 'Math.min(priority, Math.max(0, queueCount - 1))', 'priority % Math.max(1, queueCount)'),
  mutant('priority', 'behind the highest queue comes the lowest', 'store/pop-proposal.ts', 'isLastFirst ? start - i :', 'isLastFirst ? (start + i) % sources.length :'),
  mutant('priority', 'what came back is passed over where something new is', 'store/pop-choice.ts', 'for (const run of queue.returned.runs) {\n      if (count === max) break', 'for (const run of queue.returned.runs) {\n      if (count === max || (!rules.ordered && source.proposedNextOffset > queue.nextOffset)) break'),
  mutant('format', 'checkpoints forget the format', 'store/group-format.ts', 'this.#version = this.#readable(version)\n    this.#changed = true', 'this.#version = this.#readable(version)'),
  mutant('format', 'a start does not take the format that was kept', 'store/group-format.ts', 'this.#version = this.#readable(versionValue.decode(key, value))', 'this.#readable(versionValue.decode(key, value))'),
  mutant('consumer-offset', 'a lower offset is not obeyed', 'store/consumer-offsets.ts', 'on(commitConsumerOffset, ({ group, topic, queueId, offset }) => { this.#offsets.set(group, topic, queueId, offset) }),', 'on(commitConsumerOffset, ({ group, topic, queueId, offset }) => { this.#offsets.set(group, topic, queueId, Math.max(offset, this.#offsets.get(group, topic, queueId) ?? 0)) }),'),
  mutant('consumer-offset', 'checkpoints forget commits', 'store/consumer-offsets.ts', 'this.#offsetsIn(group, topic).set(queueId, offset)\n    this.#changed.add(keyOf(group, topic))', 'this.#offsetsIn(group, topic).set(queueId, offset)'),
  mutant('lock', 'a queue is given to two clients', 'store/lock-machine.ts', 'if (lock !== undefined && lock.expiresAtMs > nowMs) return false\n', ''),
  mutant('lock', 'checkpoints forget who holds what', 'store/lock-machine.ts', '      owners.set(queueId, owner)\n    }\n    this.#changed.add(key)', '      owners.set(queueId, owner)\n    }'),
  mutant('metadata', 'checkpoints forget topics, groups and settings', 'store/metadata.ts', 'else this.applied.set(name, value)\n    this.#changed.add(name)', 'else this.applied.set(name, value)'),
  mutant('metadata', 'a setting keeps its first value', 'store/metadata.ts', "name, value === '' ? undefined : value, context) })", 'name, this.setting(name) ?? value, context) })')
]
