import { isMqError, silentLogger, type Logger } from '../../lib/base/index.ts'
import type { RaftLog } from '../../lib/log/index.ts'
import type { NodeId, RaftEntry, RaftMessage } from '../../lib/raft/index.ts'
import type { Replica } from '../../lib/replica/index.ts'
import type { Store } from '../../lib/store/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { boundsOf, checkBounds } from './bounds.ts'
import { Violation } from './ledger.ts'
import { DIRECTORY, Machine, VOTE_FILE } from './machine.ts'
import { NodeClock } from './node-clock.ts'
import { watchDisk } from './probes.ts'
import { Promises } from './promises.ts'
import { checkpointBytesOf } from './parameters.ts'
import type { World } from './world.ts'

/** Who asks for votes may be ignored, and a pre-vote names a term that may never come. */
const ASKING: ReadonlySet<RaftMessage['type']> = new Set(['requestVote', 'requestPreVote', 'requestPreVoteReply'])

/** What nobody has to have: where there is no room for it, all else goes on. */
const DISPENSABLE = new RegExp(`^${DIRECTORY}/(?:base/|incoming/|index/|log/next|log/spare|log/terms\\.new)`)

/** One process on its machine: what it runs is said by those that extend this. */
export abstract class SimNode {
  /** Of its machine; its id in raft may change. */
  readonly number: number
  readonly machine: Machine
  protected readonly world: World
  protected clock: NodeClock | undefined
  #life = 0
  #promises = new Promises()
  #log: RaftLog | undefined
  replica: Replica | undefined
  /** To be started again: it has stopped by itself. */
  restartDue = false
  /** It has its place in the group on its disk; the others hear of the group from those who have. */
  isOfGroup = false
  /** Nothing more can be asked of it. */
  isClosing = false
  /** How often it was opened again on what another node had sent. */
  installs = 0
  /** Told of each cut of its log that begins, by the first entry that goes. */
  onCut: (index: number) => void = () => {}
  /** What the last look at it found. */
  #seen = { term: 0, commitIndex: 0, appliedIndex: 0, leadsTerm: 0 }

  readonly #bounds: ReturnType<typeof boundsOf>

  constructor (number: number, world: World) {
    this.number = number
    this.world = world
    this.#bounds = boundsOf(world.parameters, checkpointBytesOf(world.parameters))
    this.machine = new Machine(world)
  }

  get isRunning (): boolean { return this.clock !== undefined }
  /** It serves. */
  get isUp (): boolean { return this.replica !== undefined && this.clock?.isPaused === false && !this.isClosing }
  get isPaused (): boolean { return this.clock?.isPaused === true }
  get isLeading (): boolean { return this.replica?.role.isLeader === true && !this.isClosing }
  /** Something of another node's is on its way here. */
  abstract get isCatchingUp (): boolean
  get appliedIndex (): number { return this.isClosing ? -1 : this.replica?.stateMachine.appliedIndex ?? -1 }
  /** How far its log reached when that was last known. */
  get lastIndex (): number { return this.#log?.lastIndex ?? 0 }

  /** Its next entry begins a segment. */
  get isSegmentFull (): boolean { return this.#log !== undefined && this.machine.isSegmentFull(this.#log.endPosition) }

  get role (): string {
    if (!this.isRunning) return 'down'
    if (this.replica === undefined) return 'starting'
    const { role, confState, nodeId } = this.replica.status()
    if (role !== 'follower') return role === 'leader' ? 'leader' : 'candidate'
    return confState.voters.includes(nodeId) ? 'follower' : 'learner'
  }

  /** Boots the process. Its recovery takes virtual time; `replica` is there afterwards. */
  start (): void {
    const { clock, parameters, random, trace } = this.world
    const life = ++this.#life
    this.restartDue = this.isClosing = false
    const drift = 1 + (random.next() * 2 - 1) * parameters.clockDrift
    const nodeClock = new NodeClock(clock, drift, Math.floor(random.next() * 2000 - 1000), () => { this.world.touched = this })
    this.clock = this.machine.process = nodeClock
    this.machine.room.changed(clock.nowMs())
    trace.note(clock.nowMs(), 'start', this.number)
    this.#seen = { term: 0, commitIndex: 0, appliedIndex: 0, leadsTerm: 0 }
    this.#watch(life)
    this.boot(life, nodeClock, new SeededRandom(Math.floor(random.next() * 2 ** 32))).catch((error) => { this.failed(life, error) })
  }

  /** Opens the shipped code. */
  protected abstract boot (life: number, clock: NodeClock, random: SeededRandom): Promise<void>

  /** Closes the shipped code. */
  protected abstract close (): Promise<void>

  /** The process is gone: nothing of it is to be used any more. */
  protected abstract forget (): void

  /** Nothing of that life counts any more. */
  protected isOver (life: number): boolean { return life !== this.#life }

  /** It could not be opened, or has stopped. */
  protected failed (life: number, error: unknown): void {
    if (this.isOver(life)) return
    const code = (error as { code?: string }).code ?? ''
    if (['MQ_IO', 'EIO', 'ENOSPC', 'MQ_DISK_ROOM'].includes(code)) {
      const path = pathWithoutRoom(error)
      if (path !== undefined && DISPENSABLE.test(path)) this.world.violated(new Violation('who can go without goes on', `node ${this.number} has ended for want of room for ${path}`))
      this.#stopped()
    } else if (isMqError(error, 'MQ_CORRUPT') && this.machine.isDamaged) {
      // whoever runs the node gives it an empty disk
      this.#stopped()
      this.wipe()
      this.restartDue = true
    } else {
      this.world.violated(error)
    }
  }

  /** By itself: by an error of its disk, mostly. The machine may be rebooted before the next start, or not. */
  #stopped (): void {
    this.world.trace.note(this.world.clock.nowMs(), 'stopped', this.number)
    this.crash(this.world.parameters.powerCuts && this.world.random.chance(0.7))
    this.restartDue = true
  }

  #watch (life: number): void {
    const { ledger, trace, clock } = this.world
    watchDisk(this.machine.disk, {
      onLog: (log) => {
        if (this.isOver(life)) return
        const before = this.#log
        if (before !== undefined && log.lastIndex > 0 && before.term(log.lastIndex) !== log.term(log.lastIndex)) this.#replaced(log.lastIndex)
        const { isDamaged } = this.machine
        // a damaged log may be replaced by one that is shorter, whose node is in doubt then: known when all is open
        if (!isDamaged) this.guard(() => { this.#promises.check(this.number, log, false) })
        for (let index = log.firstIndex; index <= log.lastIndex; index++) {
          const term = log.term(index)
          if (term !== undefined || !isDamaged) this.guard(() => { ledger.recovered(this.number, index, term) })
        }
        this.#log = log
        const append = log.append.bind(log)
        log.append = (entries: readonly RaftEntry[]) => {
          this.guard(() => {
            ledger.follows(this.number, entries[0]!, log.term(entries[0]!.index - 1))
            for (const entry of entries) ledger.appended(this.number, entry)
          })
          trace.note(clock.nowMs(), 'append', this.number, entries[0]!.index, entries.at(-1)!.index, entries[0]!.term)
          append(entries)
        }
        const truncateFrom = log.truncateFrom.bind(log)
        log.truncateFrom = (index, end) => {
          trace.note(clock.nowMs(), 'cut', this.number, index)
          this.guard(() => { ledger.cut(this.number, index, log) })
          this.#promises.cutFrom(index)
          if (!this.isOver(life)) this.onCut(index)
          return truncateFrom(index, end)
        }
      },
      onStore: (store) => { if (!this.isOver(life)) this.onStore(life, store) },
      onReplica: (replica) => {
        if (this.isOver(life)) return
        const { log } = replica
        this.replica = replica
        this.isOfGroup = true
        if (replica.status().inDoubt) this.#promises.cutFrom(log.lastIndex + 1)
        if (this.machine.isDamaged) this.guard(() => { this.#promises.check(this.number, log, true) })
        this.#seen = { term: 0, commitIndex: 0, appliedIndex: 0, leadsTerm: 0 }
        this.world.durability.founded(replica.identity.founders)
        this.guard(() => { this.#promises.checkTerm(this.number, replica.status().term) })
        replica.onFailure((error) => { this.failed(life, error) })
        replica.onLeadership(({ isLeader, term }) => {
          if (isLeader && !this.isOver(life)) this.guard(() => { ledger.startsLeading(replica.nodeId, term, log, this.machine.isDamaged) })
        })
      }
    })
  }

  /** A store was opened that this node will run. */
  protected onStore (_life: number, _store: Store): void {}

  /** To be called for each entry that is applied here, with the hash of the state after it. */
  protected applied (entry: RaftEntry, ids: readonly number[], stateHash: bigint): void {
    const { ledger, trace, clock, durability, isSynced } = this.world
    trace.note(clock.nowMs(), 'apply', this.number, entry.index, entry.term)
    if (ledger.applied(this.number, entry, ids, stateHash)) durability.committed(entry, isSynced)
  }

  protected beforeCheckpoint (appliedIndex: number): void {
    const log = this.#log!
    this.world.trace.note(this.world.clock.nowMs(), 'checkpoint', this.number, appliedIndex)
    if (appliedIndex > log.durableIndex) throw new Violation('checkpoint never above synced', `node ${this.number} at ${appliedIndex}, durable ${log.durableIndex}`)
  }

  /** Called with every message that leaves: what it promises must survive. */
  sends (message: RaftMessage): void {
    this.#promises.sends(message, this.#log, this.world.isSynced)
    if (message.type === 'appendEntriesReply' && !message.rejected) this.world.ledger.proves(message.from, message.term, message.index)
    if (message.type === 'appendEntries' || message.type === 'heartbeat') this.world.ledger.leads(message.from, message.term)
  }

  /** Called with every message that was taken here: of what the sender's term says, nothing may have been missed. */
  heard ({ type, from, to, term }: RaftMessage): void {
    if (term <= this.#seen.term || ASKING.has(type) || this.replica?.nodeId !== to) return
    const { state, term: ownTerm } = this.replica.status()
    if (state === 'open' && ownTerm < term) throw new Violation('later terms are taken over', `node ${this.number} is in term ${ownTerm} after a message of term ${term} from node ${from}`)
  }

  /** What must hold whenever something has run here. */
  check (): void {
    const { replica } = this
    this.#lookAtRoom()
    if (replica === undefined) return
    const status = replica.status()
    const { term, commitIndex, appliedIndex, lastIndex, state, role, nodeId, peers, confState: { voters, votersOutgoing } } = status
    if (state === 'failed' || state === 'closed') return
    checkBounds(this.number, replica, status, this.#bounds)
    const seen = this.#seen
    if (term < seen.term) throw new Violation('terms only grow', `node ${this.number} is in term ${term} after ${seen.term}`)
    if (commitIndex < seen.commitIndex) throw new Violation('commit only grows', `node ${this.number} is at ${commitIndex} after ${seen.commitIndex}`)
    if (appliedIndex > commitIndex || commitIndex > lastIndex) throw new Violation('applied <= committed <= last', `node ${this.number}: applied ${appliedIndex}, committed ${commitIndex}, last ${lastIndex}`)
    if (role === 'leader' && !voters.includes(nodeId) && !votersOutgoing.includes(nodeId)) throw new Violation('only voters lead', `node ${this.number} leads term ${term} and is no voter any more`)
    if (seen.leadsTerm === term && role === 'leader' && commitIndex > seen.commitIndex) this.world.ledger.commits(this.number, term, commitIndex)
    if (role === 'leader') for (const { id, matchIndex } of peers) this.world.ledger.counts(this.number, term, id, matchIndex)
    seen.leadsTerm = role === 'leader' ? term : 0
    seen.term = term
    seen.commitIndex = commitIndex
    seen.appliedIndex = appliedIndex
  }

  /** Its power was cut, and it may still lack what it had confirmed. */
  get isDark (): boolean {
    if (this.machine.isDark && this.replica?.status().inDoubt === false) this.machine.isDark = false
    return this.machine.isDark
  }

  /** The process ends without notice; with `cut` the machine goes down, if the world allows. */
  crash (wantsCut: boolean): void {
    const cut = wantsCut && this.world.mayLosePower(this)
    if (cut && !this.world.isSynced) {
      this.machine.isDark = true
      this.#promises.cutFrom((this.#log?.durableIndex ?? 0) + 1)
    }
    this.#end(cut)
  }

  /** It is closed as whoever runs it would do that, and started again later. Once closed it loses nothing, even when the machine goes down. */
  shutDown (cut: boolean): void {
    const life = this.#life
    this.isClosing = true
    this.world.trace.note(this.world.clock.nowMs(), 'close', this.number)
    this.close().then(() => {
      if (this.isOver(life)) return
      this.#end(cut && !this.machine.isFailing)
      this.restartDue = true
    }, (error: unknown) => { this.failed(life, error) })
  }

  #end (cut: boolean): void {
    const { clock, trace, network } = this.world
    this.clock?.end()
    this.clock = this.machine.process = undefined
    this.#life++
    this.replica = undefined
    this.forget()
    network.forget(this.number, !cut)
    this.machine.stop(cut)
    trace.note(clock.nowMs(), cut ? 'power cut' : 'kill', this.number)
  }

  /** Of a node that is down: an empty disk takes the place of its own. */
  wipe (): void {
    this.world.trace.note(this.world.clock.nowMs(), 'wipe', this.number)
    this.machine.wipe(this.lastIndex)
    this.#promises = new Promises()
    this.#log = undefined
    this.isOfGroup = false
  }

  /** Of a node that is down: its term and vote are gone. It must not start again as if it had never voted. */
  loseVote (): boolean {
    this.machine.isDamaged = true
    return this.machine.disk.lose(VOTE_FILE)
  }

  /** It was opened on another node's log, through `index`: what it held beyond was not committed, or the leader would have sent what comes next. */
  #replaced (index: number): void {
    this.installs++
    this.world.trace.note(this.world.clock.nowMs(), 'replaced', this.number, index)
    this.#promises.cutFrom(index + 1)
    this.#promises.replaced((acknowledged, term) => this.world.ledger.decided[acknowledged - 1]?.term === term)
  }

  pause (): void { this.clock?.pause() }

  resume (): void {
    this.clock?.resume()
    this.machine.room.changed(this.world.clock.nowMs())
  }

  /** All room of its disk is taken but so much; Infinity: none any more. */
  fill (leaveBytes: number): void {
    this.machine.fill(leaveBytes)
    this.guard(() => { this.#lookAtRoom() })
  }

  #lookAtRoom (): void {
    const { room, disk } = this.machine
    if (!room.isWatched) return
    room.look(this.world.clock.nowMs(), disk.freeBytes, this.#log?.writtenIndex ?? 0)
    const spareBytes = this.replica?.log.spareBytes ?? 0
    if (spareBytes > 0 && this.mustRefuse) throw new Violation('what only saves time goes first', `node ${this.number} has no room, and keeps ${spareBytes} bytes for segments to come`)
  }

  /** Sends may not touch the room that is left, and it must know. */
  get mustRefuse (): boolean { return this.machine.room.mustRefuse(this.world.clock.nowMs()) }

  /** To be called with what became of a send that was asked for while it was so. */
  answered (mustRefuse: boolean, error?: unknown): void {
    if (error === undefined && mustRefuse) throw new Violation('a reserve is kept', `node ${this.number} has taken a send, and has known that its disk has only ${this.machine.disk.freeBytes} bytes left`)
    if (!isMqError(error, 'MQ_DISK_ROOM')) return
    if (error.outcome !== 'not-applied') throw new Violation('what is refused is not applied', `node ${this.number} has no room, and says that the outcome is ${error.outcome}`)
    if (this.machine.room.isWronglyRefused(this.world.clock.nowMs())) throw new Violation('who has room again takes writes', `node ${this.number} refuses for want of room, and has ${this.machine.disk.freeBytes} bytes`)
  }

  stepClock (ms: number): void { this.clock?.step(ms) }

  /** Errors that were planned and have not come yet would come after the faults' time: the machine is replaced by a sound one. */
  mend (): void {
    this.resume()
    this.machine.mend()
    if (this.machine.isFailing && this.isRunning) this.crash(false)
  }

  protected guard (check: () => void): void {
    try {
      check()
    } catch (error) {
      this.world.violated(error)
    }
  }

  protected readonly logger: Logger = silentLogger

  /** Its id in raft, while it has one. */
  get nodeId (): NodeId | undefined { return this.replica?.nodeId }
}

/** The file for which there was no room. */
function pathWithoutRoom (error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, path } = cause as NodeJS.ErrnoException
    if (code === 'ENOSPC') return path
  }
  return undefined
}
