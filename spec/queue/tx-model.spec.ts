import fc from 'fast-check'
import t from 'tap'
import { isMqError, openQueue, VirtualClock, type EmbeddedQueue, type Message } from '../../lib/index.ts'

const KEYS = ['a', 'b', 'c']
const LEASE_MS = 10_000
const DEDUPE_MS = 600_000

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pull' as const), max: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('tx' as const),
      acks: fc.array(fc.nat(5), { maxLength: 3 }),
      sends: fc.array(fc.record({ delayMs: fc.constantFrom(0, 5000), id: fc.option(fc.nat(4)) }), { maxLength: 3 }),
      values: fc.dictionary(fc.constantFrom(...KEYS), fc.option(fc.nat(9)), { maxKeys: 3 }),
      fails: fc.boolean()
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ack' as const), of: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1000, 6000, 15_000) }) }
)

/** What the queue is to hold, kept the naive way. */
class Model {
  nowMs = 0
  /** In `out`, or on its way there: which one it is, and when. */
  out: Array<{ readonly n: number, readonly atMs: number }> = []
  values = new Map<string, number>()
  readonly remembered = new Map<string, number>()
  readonly done = new Set<number>()
  readonly heldUntilMs = new Map<Message, number>()
  sent = 0
  told = 0

  isHeld (message: Message): boolean { return this.heldUntilMs.get(message)! > this.nowMs && !this.done.has(message.body as number) }
}

async function run (queue: EmbeddedQueue, clock: VirtualClock, steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>): Promise<void> {
  const model = new Model()
  const pulled: Message[] = []
  for (const step of steps) {
    if (step.kind === 'send') {
      for (let i = 0; i < step.count; i++) await queue.send('in', model.sent++)
    } else if (step.kind === 'pull') {
      for (const message of await queue.pull('in', { group: 'g', max: step.max, lease: LEASE_MS })) {
        if (model.done.has(message.body as number)) throw new Error(`${message.body} comes again`)
        pulled.push(message)
        model.heldUntilMs.set(message, model.nowMs + LEASE_MS)
      }
    } else if (step.kind === 'wait') {
      model.nowMs += step.ms
      await clock.advance(step.ms)
    } else if (step.kind === 'ack') {
      const message = pulled.at(-1 - step.of)
      if (message === undefined || message.settlement !== undefined) continue
      const isHeld = model.isHeld(message)
      await message.ack().then(() => { if (!isHeld) throw new Error('acknowledged what it did not hold') }, (error) => { if (isHeld || !isMqError(error, 'MQ_LEASE_LOST')) throw error })
      if (isHeld) model.done.add(message.body as number)
    } else {
      await transact(queue, model, step, pulled)
    }
    await check(queue, model)
  }
}

async function transact (queue: EmbeddedQueue, model: Model, { acks, sends, values, fails }: Extract<typeof step extends fc.Arbitrary<infer S> ? S : never, { kind: 'tx' }>, pulled: readonly Message[]): Promise<void> {
  const messages = [...new Set(acks.map((of) => pulled.at(-1 - of)))].filter((message) => message !== undefined && message.settlement === undefined) as Message[]
  const lost = messages.filter((message) => !model.isHeld(message))
  const bodies = sends.map(({ id }) => id ?? 1000 + model.told++)
  const before = messages.map(({ settlement }) => settlement)
  const done = queue.tx((t) => {
    for (const message of messages) t.ack(message)
    sends.forEach(({ delayMs, id }, i) => { t.send('out', bodies[i], { ...delayMs > 0 && { delay: delayMs }, ...id !== null && { dedupe: String(id) } }) })
    for (const [key, value] of Object.entries(values)) {
      if (value === null) t.delete(key)
      else t.put(key, value)
    }
    if (fails) throw new Error('mine')
  })
  const result = await done.catch((error: unknown) => error)
  if (!Array.isArray(result)) {
    if (fails ? (result as Error).message !== 'mine' : !isMqError(result, 'MQ_LEASE_LOST') || result.lost !== lost.length || lost.length === 0) throw result
    messages.forEach((message, i) => { if ((!lost.includes(message) || fails) && message.settlement !== before[i]) throw new Error('settled by what was refused') })
    return
  }
  if (fails || lost.length > 0) throw new Error('done in spite of all')
  for (const message of messages) model.done.add(message.body as number)
  sends.forEach(({ delayMs, id }, i) => {
    const rememberedMs = id === null ? undefined : model.remembered.get(String(id))
    const isDuplicate = rememberedMs !== undefined && rememberedMs + DEDUPE_MS >= model.nowMs
    if (result[i]!.isDuplicate !== isDuplicate) throw new Error(`${id} ${isDuplicate ? 'is stored again' : 'is taken for another one'}`)
    if (isDuplicate) return
    if (id !== null) model.remembered.set(String(id), model.nowMs)
    model.out.push({ n: bodies[i]!, atMs: model.nowMs + delayMs })
  })
  for (const [key, value] of Object.entries(values)) {
    if (value === null) model.values.delete(key)
    else model.values.set(key, value)
  }
}

async function check (queue: EmbeddedQueue, model: Model): Promise<void> {
  for (const key of KEYS) {
    const found = await queue.get(key)
    if (found !== model.values.get(key)) throw new Error(`${key} is ${found}, not ${model.values.get(key)}`)
  }
  const found = model.out.length === 0 && queue.topics().every(({ name }) => name !== 'out') ? [] : (await queue.read('out', { queueId: 0, fromOffset: 0, max: 1000 })).map(({ body }) => body as number)
  const wanted = model.out.filter(({ atMs }) => atMs <= model.nowMs).map(({ n }) => n)
  if (JSON.stringify([...found].sort()) !== JSON.stringify([...wanted].sort())) throw new Error(`out holds ${found.join()}, not ${wanted.join()}`)
}

t.test('any course of transactions, deliveries, acknowledgements and time: what a naive model of it says', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
    const clock = new VirtualClock({ wallMs: 1_700_000_000_000 })
    const queue = await openQueue(':memory:', { clock, topics: { in: { queues: 1 }, out: { queues: 1 } } })
    try {
      await run(queue, clock, steps)
    } finally {
      await queue.close()
    }
  }), { numRuns: 80 })
  t.pass()
})
