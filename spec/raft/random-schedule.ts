import { type ConfState, type RaftMessage } from '../../lib/raft/index.ts'
import { formatEntry } from './scenario-format.ts'
import { ScenarioNode, type NodeSettings } from './scenario-node.ts'

/** A seeded generator (mulberry32), so that a failing run can be had again. */
export function randomFrom (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * A group under random messages (lost, doubled, reordered), slow disks, crashes that forget what was not durable (and
 * sometimes how far the state machine was), changes of the configuration, compaction and transfers. After every step
 * the safety properties of raft hold; at the end the group comes to rest and agrees.
 */
export class RandomSchedule {
  readonly #random: () => number
  readonly nodes: ScenarioNode[] = []
  readonly #leaders = new Map<number, number>()
  readonly #committed = new Map<number, { readonly entry: string, readonly term: number }>()
  #highestCommitted = 0
  #payload = 0
  #reads = 0
  /** The highest index committed anywhere when the read was asked for. */
  readonly #askedReads = new Map<number, number>()
  readonly counts = { elections: 0, committed: 0, crashes: 0, powerCuts: 0, blackouts: 0, snapshots: 0, confChanges: 0, reads: 0, cuts: 0 }
  readonly trace: string[] = []

  constructor (seed: number) {
    this.#random = randomFrom(seed)
    const settings: NodeSettings = {
      electionTicks: 5,
      heartbeatTicks: 1,
      preVote: this.#chance(0.5),
      checkQuorum: this.#chance(0.5),
      async: true,
      maxBytesPerAppend: this.#chance(0.5) ? 25 : 1000,
      maxInflightAppends: 1 + this.#below(8),
      maxInflightBytes: 1000,
      maxUncommittedBytes: 500,
      countsWritten: this.#chance(0.5)
    }
    const founders = this.#chance(0.3) ? 5 : this.#chance(0.2) ? 1 : 3
    const conf: ConfState = { voters: Array.from({ length: founders }, (_, i) => i + 1), votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }
    for (let id = 1; id <= founders + 2; id++) {
      const isFounder = id <= founders
      const node = new ScenarioNode(id, settings, {
        note: (line) => {
          this.trace.push(line)
          if (line.includes('installs snapshot')) this.counts.snapshots++
          if (line.includes('cuts from')) this.counts.cuts++
          this.#checkRead(line)
        },
        send: (message) => this.#send(message),
        applied: (node, entry) => this.#applied(node.id, entry.index, formatEntry(entry), entry.term)
      }, { index: 0, term: 0 }, isFounder ? conf : { ...conf, voters: [] })
      node.random = this.#random()
      this.nodes.push(node)
    }
  }

  run (steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#step()
      this.#check()
    }
    this.#settle()
  }

  #below (limit: number): number { return Math.floor(this.#random() * limit) }
  #chance (probability: number): boolean { return this.#random() < probability }

  #step (): void {
    const node = this.nodes[this.#below(this.nodes.length)]!
    node.random = this.#random()
    const dice = this.#random()
    if (dice < 0.40) this.#deliver(node)
    else if (dice < 0.65) { if (node.raft.hasReady()) node.handleReady() } else if (dice < 0.84) node.runDiskJob()
    else if (dice < 0.85) node.sync()
    else if (dice < 0.90) node.raft.tick()
    else if (dice < 0.95) (this.nodes.find(({ raft }) => raft.role === 'leader') ?? node).propose(`p${++this.#payload}`, 10 + this.#below(30))
    else if (dice < 0.965) this.#read(node)
    else if (dice < 0.967) this.#crash(node)
    else if (dice < 0.968) this.#losePower(node)
    else if (dice < 0.975) this.#compact(node)
    else if (dice < 0.98) node.raft.transferLeadership(1 + this.#below(this.nodes.length))
    else if (dice < 0.988) this.#changeConf(node)
    else if (dice < 0.99) this.#tellOfLinks(node)
    else if (dice < 0.993) node.raft.reportSnapshot(1 + this.#below(this.nodes.length), this.#chance(0.5))
    else if (dice < 0.995) node.raft.forgetLeader()
    else if (dice < 0.997) node.raft.campaign()
    else if (dice < 0.998) node.raft.stepDown()
    else if (dice < 0.9985) node.raft.leaveTo(1 + this.#below(this.nodes.length))
    else for (let i = 0; i < 12; i++) node.raft.tick()
  }

  /** True or not. */
  #tellOfLinks ({ raft }: ScenarioNode): void {
    const peer = 1 + this.#below(this.nodes.length)
    const dice = this.#random()
    if (dice < 0.2) raft.reportUnreachable(peer)
    else if (dice < 0.4) raft.reportCut(peer)
    else if (dice < 0.8) raft.reportGone(peer)
    else raft.reportBack(peer)
    if (raft.isLeaderGone && this.#chance(0.5)) raft.campaign()
  }

  #deliver (node: ScenarioNode): void {
    if (node.inbox.length === 0) return
    const at = this.#chance(0.8) ? 0 : this.#below(node.inbox.length)
    const message = node.inbox[at]!
    if (!this.#chance(0.05)) node.inbox.splice(at, 1)
    if (this.#chance(0.05)) return
    node.raft.step(message)
  }

  #send (message: RaftMessage): void {
    const target = this.nodes[message.to - 1]
    if (target === undefined || target.inbox.length > 200) return
    this.#checkAppend(message)
    target.inbox.push(message)
  }

  /** What a leader sends is what it has: entries follow each other, and the first follows `prev`. */
  #checkAppend (message: RaftMessage): void {
    if (message.type !== 'appendEntries') return
    let { prevIndex: index, prevTerm: term } = message
    for (const entry of message.entries) {
      if (entry.index !== index + 1 || entry.prevTerm !== term) throw new Error(`append with a gap at ${entry.index}`)
      ;({ index, term } = entry)
    }
  }

  #crash (node: ScenarioNode): void {
    this.counts.crashes++
    const { disk } = node
    // The state machine may have lost its last checkpoint; it is never behind the head of the log.
    if (this.#chance(0.5)) {
      disk.appliedIndex = Math.max(disk.floor.index, disk.appliedIndex - this.#below(30))
      disk.confs = disk.confs.filter(({ index }) => index <= disk.appliedIndex)
    }
    // Writes in the queue may have reached the disk.
    while (node.jobs.length > 0 && this.#chance(0.5)) node.runDiskJob()
    node.restart()
  }

  /** Of fewer at a time than could have committed something alone, or once in a while of all. */
  #losePower (node: ScenarioNode): void {
    if (node.settings.countsWritten !== true) return
    const isDark = (one: ScenarioNode) => one === node || one.disk.doubt.inDoubt
    const dark = this.nodes.filter(isDark).length
    const confs = this.nodes.flatMap(({ raft: { confState: { voters, votersOutgoing } } }) => [voters, votersOutgoing]).filter(({ length }) => length > 0)
    if (dark < Math.min(...confs.map(({ length }) => (length >> 1) + 1))) {
      this.counts.powerCuts++
      node.losePower()
    } else if (this.#chance(0.3)) {
      this.#blackout()
    }
  }

  /** Only what no voter has on disk may be lost. */
  #blackout (): void {
    const [first, ...others] = this.nodes.filter(({ raft }) => raft.confState.voters.length > 0).map(({ raft }) => JSON.stringify(raft.confState))
    if (others.some((other) => other !== first) || this.nodes.some(({ raft }) => raft.confState.votersOutgoing.length > 0)) return
    this.counts.blackouts++
    const voters = this.nodes.filter(({ id, raft }) => raft.confState.voters.includes(id))
    for (const node of this.nodes) node.losePower()
    for (let index = 1; index <= this.#highestCommitted; index++) {
      const known = this.#committed.get(index)
      if (known === undefined || voters.some(({ disk }) => index <= disk.floor.index || (disk.at(index) !== undefined && formatEntry(disk.at(index)!) === known.entry))) continue
      for (let lost = index; lost <= this.#highestCommitted; lost++) this.#committed.delete(lost)
      this.#highestCommitted = index - 1
      // reads asked for before may tell less
      for (const [context, atLeast] of this.#askedReads) this.#askedReads.set(context, Math.min(atLeast, index - 1))
    }
  }

  #compact ({ disk }: ScenarioNode): void {
    const index = disk.appliedIndex - this.#below(5)
    if (index <= disk.floor.index) return
    disk.compact(index)
    const last = disk.confs.findLastIndex((conf) => conf.index <= index)
    disk.confs = disk.confs.slice(last)
  }

  #changeConf (node: ScenarioNode): void {
    const steps = Array.from({ length: 1 + this.#below(3) }, () => {
      const id = 1 + this.#below(this.nodes.length)
      const type = (['addVoter', 'addVoter', 'addLearner', 'remove'] as const)[this.#below(4)]!
      return { type, id }
    })
    const transition = (['auto', 'joint-implicit', 'joint-explicit'] as const)[this.#below(3)]!
    const change = node.raft.confState.votersOutgoing.length > 0 ? { transition, steps: [] } : { transition, steps }
    if (node.raft.proposeConfChange(change) === 'accepted') this.counts.confChanges++
  }

  #read (node: ScenarioNode): void {
    const context = ++this.#reads
    this.#askedReads.set(context, this.#highestCommitted)
    node.raft.readIndex(context)
  }

  #checkRead (line: string): void {
    const found = / may read (\d+) at (\d+)/.exec(line)
    if (found === null) return
    this.counts.reads++
    const atLeast = this.#askedReads.get(Number(found[1]))!
    if (Number(found[2]) < atLeast) throw new Error(`stale read: ${line}, but ${atLeast} was committed before`)
  }

  /** State machine safety: one entry per index, everywhere. */
  #applied (id: number, index: number, entry: string, term: number): void {
    const known = this.#committed.get(index)
    if (known === undefined) {
      this.#committed.set(index, { entry, term })
      this.counts.committed++
      this.#highestCommitted = Math.max(this.#highestCommitted, index)
    } else if (known.entry !== entry) {
      throw new Error(`${id} applies ${entry} where ${known.entry} is committed`)
    }
  }

  #check (): void {
    for (const { id, raft, disk } of this.nodes) {
      if (raft.role !== 'leader' || this.#leaders.get(raft.term) === id) continue
      const other = this.#leaders.get(raft.term)
      if (other !== undefined) throw new Error(`${other} and ${id} lead term ${raft.term}`)
      this.#leaders.set(raft.term, id)
      this.counts.elections++
      // Leader completeness: whatever was applied anywhere is in the log of every later leader.
      if (raft.lastIndex < this.#highestCommitted) throw new Error(`${id} leads term ${raft.term} without entry ${this.#highestCommitted}`)
      for (let index = Math.max(disk.firstIndex, this.#highestCommitted - 50); index <= Math.min(this.#highestCommitted, raft.status().durableIndex); index++) {
        const known = this.#committed.get(index)
        if (known !== undefined && formatEntry(disk.at(index)!) !== known.entry) throw new Error(`${id} leads term ${raft.term} with another entry ${index}`)
      }
    }
  }

  /** Everything works again: within some election periods one leader has everybody's agreement. */
  #settle (): void {
    // Without PreVote and CheckQuorum a removed node disturbs for ever, so its clock stands still; it answers.
    const { preVote, checkQuorum } = this.nodes[0]!.settings
    // All votes are needed where a majority is in doubt, and without PreVote others spoil them now and then.
    const rounds = preVote ? 600 : 2400
    for (let round = 0; round < rounds; round++) {
      const { conf: lastConf } = this.nodes.map(({ raft }) => raft.status()).reduce((a, b) => a.commitIndex >= b.commitIndex ? a : b)
      const isMember = (id: number) => [...lastConf.voters, ...lastConf.votersOutgoing, ...lastConf.learners].includes(id)
      for (const node of this.nodes) {
        node.random = this.#random()
        if (round % 4 === 0 && (isMember(node.id) || (preVote && checkQuorum))) node.raft.tick()
        // As every transport must: a snapshot that did not arrive was reported.
        if (round % 50 === 0) for (const { id, state } of node.raft.status().peers) if (state === 'snapshot') node.raft.reportSnapshot(id, false)
        for (let i = 0; i < 50 && (node.raft.hasReady() || node.jobs.length > 0 || node.inbox.length > 0); i++) {
          if (node.raft.hasReady()) node.handleReady()
          while (node.jobs.length > 0) node.runDiskJob()
          node.sync()
          const message = node.inbox.shift()
          if (message !== undefined) node.raft.step(message)
        }
      }
      this.#check()
    }
    const leaders = this.nodes.filter(({ raft }) => raft.role === 'leader').sort((a, b) => b.raft.term - a.raft.term)
    const leader = leaders[0]
    if (leader === undefined) throw new Error('no leader at the end')
    const { conf } = leader.raft.status()
    if (leader.raft.commitIndex !== leader.raft.lastIndex) throw new Error('the leader cannot commit')
    for (const id of [...conf.voters, ...conf.votersOutgoing, ...conf.learners]) {
      const { raft } = this.nodes[id - 1]!
      if (raft.appliedIndex !== leader.raft.lastIndex) throw new Error(`${id} has applied ${raft.appliedIndex} of ${leader.raft.lastIndex}`)
    }
  }
}
