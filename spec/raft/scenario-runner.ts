import { EntryKind, type ConfState, type RaftMessage } from '../../lib/raft/index.ts'
import { formatConf, formatEntry, formatMessage, idOf, parseChange } from './scenario-format.ts'
import { entryOf, ScenarioNode, type NodeSettings } from './scenario-node.ts'

const DEFAULTS: NodeSettings = {
  electionTicks: 3,
  heartbeatTicks: 1,
  preVote: false,
  checkQuorum: false,
  async: false,
  maxBytesPerAppend: 1 << 20,
  maxInflightAppends: 256,
  maxInflightBytes: 1 << 30,
  maxUncommittedBytes: 1 << 30
}

type Options = Record<string, string>

/**
 * Runs the commands of a scenario on nodes in one process, and returns what happened, one line per event. A message is
 * written when it leaves. After every command the safety rules of raft are checked.
 *
 * | command | does |
 * |---|---|
 * | group N voters= learners= index= term= prevote checkquorum async inflight= inflight-bytes= append-bytes= uncommitted= ticks= | N new nodes; the log begins after `index` of `term` |
 * | empty N | N new nodes that know nothing |
 * | bootstrap ID CHANGE... | the log of an empty node begins with that change, committed |
 * | seed ID TERMS... | gives a node a log of entries of those terms, as if restarted with it |
 * | campaign, propose ID PAYLOAD... [size=], conf ID CHANGE..., transfer ID TO, read ID CONTEXT, forget ID, stepdown ID, leave ID TO, heard ID FROM | a call of the api |
 * | ready ID... | handles one Ready of each |
 * | disk ID [JOBS] | runs disk jobs, all of them by default |
 * | deliver ID... [from=] [type=] [reverse] [twice] | gives a node what is in its inbox |
 * | drop ID... [from=] [type=] | empties an inbox |
 * | cut ID ID, isolate ID..., heal | what is sent over a cut link is lost |
 * | stabilize [ID...] | ready, disk and deliver until nothing happens any more |
 * | step A->B TYPE key=value... | a message out of nowhere |
 * | tick ID [TICKS], random ID VALUE, restart ID, compact ID INDEX, cold ID INDEX, loaded ID PEER, unreachable ID PEER, cutoff ID PEER, gone ID PEER, back ID PEER, snapshot ID PEER (sends one by hand), snapshots ID on/off, report ID PEER ok/failed | |
 * | status ID..., state, log ID, inbox ID, conf-of ID | shows |
 * | quiet | the rest of the block writes nothing |
 */
export class ScenarioRunner {
  readonly #nodes = new Map<number, ScenarioNode>()
  readonly #cutLinks = new Set<string>()
  #lines: string[] = []
  #quiet = false
  /** Safety: who led each term, and which entry is committed at each index. */
  readonly #leaders = new Map<number, number>()
  readonly #committed = new Map<number, string>()
  readonly #commitIndexes = new Map<number, number>()

  run (commands: readonly string[]): string {
    this.#lines = []
    this.#quiet = false
    for (const command of commands) {
      try {
        this.#execute(command)
        this.#checkSafety()
      } catch (error) {
        const { code, message } = error as Error & { code?: string }
        this.#quiet = false
        this.#note(code === undefined ? `error: ${message}` : `${code}: ${message}`)
      }
    }
    return this.#lines.length === 0 ? 'ok' : this.#lines.join('\n')
  }

  #note (line: string): void {
    if (!this.#quiet) this.#lines.push(line)
  }

  #execute (command: string): void {
    const [verb, ...rest] = command.split(/\s+/) as [string, ...string[]]
    const words: string[] = []
    const options: Options = {}
    for (const word of rest) {
      const [key, value] = word.split('=') as [string, string?]
      if (value === undefined) words.push(word)
      else options[key] = value
    }
    const handler = this.#commands[verb]
    if (handler === undefined) throw new Error(`no such command: ${verb}`)
    handler(words, options)
  }

  readonly #commands: Record<string, (words: string[], options: Options) => void> = {
    quiet: () => { this.#quiet = true },
    group: (words, options) => this.#addGroup(words, options),
    empty: ([count]) => { for (let i = 0; i < Number(count); i++) this.#addNode({ ...this.#anySettings() }, { index: 0, term: 0 }, confOf({})) },
    bootstrap: ([id, ...words]) => this.#bootstrap(this.#node(id), words),
    seed: ([id, ...terms]) => this.#seed(this.#node(id), terms.map(Number)),
    campaign: ([id]) => this.#answer(this.#node(id).raft.campaign(), true),
    propose: ([id, ...payloads], { size }) => {
      for (const payload of payloads) this.#answer(this.#node(id).propose(payload, size === undefined ? undefined : Number(size)), 'accepted')
    },
    conf: ([id, ...words]) => {
      const { raft } = this.#node(id)
      const change = parseChange(words)
      const why = raft.checkConfChange(change)
      const answer = raft.proposeConfChange(change)
      this.#answer(answer === 'refused' && why !== undefined ? `refused: ${why}` : answer, 'accepted')
    },
    transfer: ([id, to]) => this.#answer(this.#node(id).raft.transferLeadership(Number(to)), true),
    read: ([id, context]) => this.#answer(this.#node(id).raft.readIndex(Number(context)), true),
    forget: ([id]) => this.#node(id).raft.forgetLeader(),
    stepdown: ([id]) => this.#node(id).raft.stepDown(),
    leave: ([id, to]) => { if (!this.#node(id).raft.leaveTo(Number(to))) this.#note('refused') },
    heard: ([id, from]) => this.#node(id).raft.heardFrom(Number(from)),
    tick: ([id, ticks]) => { for (let i = 0; i < Number(ticks ?? 1); i++) this.#node(id).raft.tick() },
    random: ([id, value]) => { this.#node(id).random = Number(value) },
    restart: ([id]) => this.#node(id).restart(),
    ready: (ids) => { for (const node of this.#chosen(ids)) if (node.raft.hasReady()) node.handleReady() },
    disk: ([id, jobs]) => { for (let i = Number(jobs ?? Infinity); i > 0 && this.#node(id).jobs.length > 0; i--) this.#node(id).runDiskJob() },
    deliver: (words, options) => { for (const node of this.#chosen(words.filter(isNumber))) this.#deliver(node, words, options) },
    drop: (ids, options) => { for (const node of this.#chosen(ids)) for (const message of take(node, options)) this.#note(`dropped ${formatMessage(message)}`) },
    cut: ([a, b]) => { this.#cutLinks.add(`${a}->${b}`).add(`${b}->${a}`) },
    isolate: (ids) => { for (const a of ids) for (const b of this.#nodes.keys()) this.#cutLinks.add(`${a}->${b}`).add(`${b}->${a}`) },
    heal: () => this.#cutLinks.clear(),
    stabilize: (ids) => this.#stabilize(this.#chosen(ids)),
    step: ([link, type], options) => {
      const message = parseMessage(link!, type!, options)
      const defect = this.#node(String(message.to)).raft.step(message)
      if (defect !== undefined) this.#note(`dropped: ${defect}`)
    },
    compact: ([id, index]) => this.#node(id).disk.compact(Number(index)),
    cold: ([id, index]) => { this.#node(id).disk.coldBelow = Number(index) },
    loaded: ([id, peer], { from, to }) => {
      const { raft, disk } = this.#node(id)
      raft.entriesLoaded(Number(peer), from === undefined ? undefined : disk.slice(Number(from), Number(to) + 1, Infinity))
    },
    unreachable: ([id, peer]) => this.#node(id).raft.reportUnreachable(Number(peer)),
    cutoff: ([id, peer]) => this.#node(id).raft.reportCut(Number(peer)),
    gone: ([id, peer]) => this.#node(id).raft.reportGone(Number(peer)),
    back: ([id, peer]) => this.#node(id).raft.reportBack(Number(peer)),
    report: ([id, peer, result]) => this.#node(id).raft.reportSnapshot(Number(peer), result === 'ok'),
    snapshots: ([id, mode]) => { this.#node(id).disk.snapshotsBlocked = mode === 'off' },
    snapshot: ([id, peer]) => {
      const { raft, disk } = this.#node(id)
      this.#send({ type: 'installSnapshot', from: Number(id), to: Number(peer), term: raft.term, snapshot: disk.snapshot()! })
    },
    status: (ids) => { for (const id of ids) this.#showStatus(this.#node(id)) },
    state: () => { for (const node of this.#nodes.values()) this.#showState(node) },
    log: (ids) => {
      for (const node of this.#chosen(ids)) {
        const { floor, kept } = node.disk
        this.#note(`${node.id} ${[`(${idOf(floor)})`, ...kept.map(formatEntry)].join(', ')}`)
      }
    },
    inbox: (ids) => { for (const node of this.#chosen(ids)) for (const message of node.inbox) this.#note(formatMessage(message)) },
    'conf-of': (ids) => { for (const node of this.#chosen(ids)) this.#note(`${node.id} ${formatConf(node.raft.confState)}`) }
  }

  #answer (answer: unknown, expected: unknown): void {
    if (answer !== expected) this.#note(String(answer))
  }

  #node (id: string | undefined): ScenarioNode {
    const node = this.#nodes.get(Number(id))
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }

  #chosen (ids: readonly string[]): ScenarioNode[] {
    return ids.length === 0 ? [...this.#nodes.values()] : ids.map((id) => this.#node(id))
  }

  #anySettings (): NodeSettings {
    return this.#nodes.values().next().value?.settings ?? DEFAULTS
  }

  #addGroup (words: string[], options: Options): void {
    const number = (key: string, or: number) => options[key] === undefined ? or : Number(options[key])
    const settings: NodeSettings = {
      electionTicks: number('ticks', DEFAULTS.electionTicks),
      heartbeatTicks: DEFAULTS.heartbeatTicks,
      preVote: words.includes('prevote'),
      checkQuorum: words.includes('checkquorum'),
      async: words.includes('async'),
      maxBytesPerAppend: number('append-bytes', DEFAULTS.maxBytesPerAppend),
      maxInflightAppends: number('inflight', DEFAULTS.maxInflightAppends),
      maxInflightBytes: number('inflight-bytes', DEFAULTS.maxInflightBytes),
      maxUncommittedBytes: number('uncommitted', DEFAULTS.maxUncommittedBytes)
    }
    const index = number('index', 0)
    for (let i = 0; i < Number(words[0]); i++) {
      this.#addNode(settings, { index, term: number('term', index === 0 ? 0 : 1) }, confOf(options))
    }
  }

  #addNode (settings: NodeSettings, floor: { index: number, term: number }, conf: ConfState): void {
    const id = this.#nodes.size + 1
    this.#nodes.set(id, new ScenarioNode(id, settings, {
      note: (line) => this.#note(line),
      send: (message) => this.#send(message),
      applied: (node, entry) => {
        const known = this.#committed.get(entry.index)
        if (known === undefined) this.#committed.set(entry.index, formatEntry(entry))
        else if (known !== formatEntry(entry)) throw new Error(`UNSAFE: ${node.id} applies ${formatEntry(entry)}, but ${known} is committed`)
      }
    }, floor, conf))
  }

  #bootstrap (node: ScenarioNode, words: readonly string[]): void {
    const { disk, raft } = node
    const config = parseChange(words)
    disk.kept = [entryOf({ kind: EntryKind.config, index: 1, term: 1, prevTerm: 0, physicalOffset: 0, config })]
    disk.hardState = { term: 1, vote: 0 }
    disk.confs.push({ index: 1, conf: raft.applyConfChange(config) })
    disk.appliedIndex = 1
    node.restart()
  }

  #seed (node: ScenarioNode, terms: readonly number[]): void {
    const { disk } = node
    disk.kept = []
    for (const term of terms) {
      const index = disk.lastIndex + 1
      disk.kept.push(entryOf({ kind: EntryKind.normal, index, term, prevTerm: disk.term(index - 1)!, physicalOffset: disk.endPosition }, `of-${term}`))
    }
    disk.hardState = { term: Math.max(disk.hardState.term, terms.at(-1) ?? 0), vote: 0 }
    node.restart()
  }

  #send (message: RaftMessage): void {
    const isLost = this.#cutLinks.has(`${message.from}->${message.to}`) || !this.#nodes.has(message.to)
    this.#note(`${isLost ? 'lost ' : ''}${formatMessage(message)}`)
    if (!isLost) this.#nodes.get(message.to)!.inbox.push(message)
  }

  #deliver (node: ScenarioNode, words: readonly string[], options: Options): void {
    const messages = take(node, options)
    if (words.includes('reverse')) messages.reverse()
    for (const message of messages) {
      node.raft.step(message)
      if (words.includes('twice')) node.raft.step(message)
    }
  }

  #stabilize (nodes: readonly ScenarioNode[]): void {
    for (let round = 0, busy = true; busy; round++) {
      if (round > 100) throw new Error('does not come to rest')
      busy = false
      for (const node of nodes) {
        if (!node.raft.hasReady()) continue
        busy = true
        node.handleReady()
      }
      for (const node of nodes) {
        busy ||= node.jobs.length > 0
        while (node.jobs.length > 0) node.runDiskJob()
      }
      for (const node of nodes) {
        busy ||= node.inbox.length > 0
        this.#deliver(node, [], {})
      }
    }
  }

  #showState (node: ScenarioNode): void {
    const { raft } = node
    const { role, term, leaderId, vote, isLearner, commitIndex, durableIndex, lastTerm, lastIndex, conf } = raft.status()
    const isMember = [...conf.voters, ...conf.votersOutgoing, ...conf.learners].includes(node.id)
    const kind = isLearner ? ' learner' : isMember ? '' : ' no-member'
    const durable = durableIndex === lastIndex ? '' : ` durable=${durableIndex}`
    this.#note(`${node.id} ${role}${kind} term=${term} vote=${vote} leader=${leaderId} last=${lastTerm}/${lastIndex}${durable} commit=${commitIndex}`)
  }

  #showStatus (node: ScenarioNode): void {
    for (const peer of node.raft.status().peers) {
      const marks = [
        peer.isLearner ? ' learner' : '',
        peer.isPaused ? ' paused' : '',
        peer.recentlyActive ? '' : ' inactive',
        peer.inflightAppends > 0 ? ` inflight=${peer.inflightAppends}` : '',
        peer.pendingSnapshotIndex > 0 ? ` snapshot=${peer.pendingSnapshotIndex}` : ''
      ]
      this.#note(`${node.id}: ${peer.id} ${peer.state} match=${peer.matchIndex} next=${peer.nextIndex}${marks.join('')}`)
    }
  }

  /** Election safety, state machine safety (see `applied`), and indexes that only grow. */
  #checkSafety (): void {
    for (const { id, raft } of this.#nodes.values()) {
      if (raft.role === 'leader') {
        const other = this.#leaders.get(raft.term) ?? id
        if (other !== id) throw new Error(`UNSAFE: ${other} and ${id} lead term ${raft.term}`)
        this.#leaders.set(raft.term, id)
      }
      if (raft.commitIndex > raft.lastIndex) throw new Error(`UNSAFE: ${id} commits beyond its log`)
      if (raft.appliedIndex > raft.commitIndex) throw new Error(`UNSAFE: ${id} applies beyond its commit index`)
      this.#commitIndexes.set(id, raft.commitIndex)
    }
  }
}

function isNumber (word: string): boolean {
  return /^\d+$/.test(word)
}

function idsOf (text: string | undefined): number[] {
  return text === undefined || text === '' ? [] : text.split(',').map(Number)
}

function confOf ({ voters, learners }: Options): ConfState {
  return { voters: idsOf(voters), votersOutgoing: [], learners: idsOf(learners), learnersNext: [], autoLeave: false }
}

function take (node: ScenarioNode, { from, type }: Options): RaftMessage[] {
  const chosen = (message: RaftMessage) => (from === undefined || idsOf(from).includes(message.from)) && (type === undefined || message.type === type)
  const messages = node.inbox.filter(chosen)
  node.inbox = node.inbox.filter((message) => !chosen(message))
  return messages
}

/** `2->1 heartbeat term=1 commit=3`; ids of entries are term/index, `entries=1/5,1/6`. */
function parseMessage (link: string, type: string, options: Options): RaftMessage {
  const [from, to] = link.split('->').map(Number) as [number, number]
  const number = (key: string) => Number(options[key] ?? 0)
  const id = (key: string) => (options[key] ?? '0/0').split('/').map(Number) as [number, number]
  const base = { from, to, term: number('term') }
  switch (type) {
    case 'appendEntries': {
      const [prevTerm, prevIndex] = id('prev')
      let previous = { term: prevTerm, index: prevIndex }
      let physicalOffset = number('position') || prevIndex * 10
      const entries = (options.entries ?? '').split(',').filter(Boolean).map((text) => {
        const [term, index] = text.split('/').map(Number) as [number, number]
        const entry = entryOf({ kind: EntryKind.normal, index, term, prevTerm: previous.term, physicalOffset }, `of-${term}`)
        previous = entry
        physicalOffset += entry.sizeBytes
        return entry
      })
      return { ...base, type, prevIndex, prevTerm, entries, commitIndex: number('commit') }
    }
    case 'appendEntriesReply': {
      const [hintTerm, hintIndex] = id('hint')
      return { ...base, type, index: number('match') || number('rejected'), rejected: 'rejected' in options, hintIndex, hintTerm }
    }
    case 'heartbeat':
      return { ...base, type, commitIndex: number('commit'), readSequence: number('read') }
    case 'heartbeatReply':
      return { ...base, type, readSequence: number('read') }
    case 'requestVote':
    case 'requestPreVote': {
      const [lastTerm, lastIndex] = id('last')
      const [commitTerm, commitIndex] = id('commit')
      return { ...base, type, lastIndex, lastTerm, force: 'force' in options, commitIndex, commitTerm }
    }
    case 'requestVoteReply':
    case 'requestPreVoteReply': {
      const [commitTerm, commitIndex] = id('commit')
      return { ...base, type, granted: options.granted === 'yes', commitIndex, commitTerm }
    }
    case 'installSnapshot': {
      const [term, index] = id('snapshot')
      return { ...base, type, snapshot: { index, term, endPosition: index * 10, confState: confOf(options), manifest: new Uint8Array(0) } }
    }
    case 'timeoutNow':
      return { ...base, type }
    case 'readIndex':
      return { ...base, type, context: number('context') }
    case 'readIndexReply':
      return { ...base, type, context: number('context'), index: number('index') }
    case 'transferLeadership':
      return { ...base, type, target: number('target') }
    default:
      throw new Error(`no such message: ${type}`)
  }
}
