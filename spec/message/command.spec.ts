import fc from 'fast-check'
import t from 'tap'
import * as catalogue from '../../lib/message/commands.ts'
import { defineCommand, type CommandType } from '../../lib/message/index.ts'

/** The largest long that the codec takes: one less than the largest exact integer. */
const LARGEST_LONG = Number.MAX_SAFE_INTEGER - 1

const first = { type: 'record', name: 'Move', fields: [{ name: 'topic', type: 'string' }, { name: 'to', type: 'int' }] } as const
const second = {
  type: 'record',
  name: 'Move',
  fields: [{ name: 'to', type: 'long' }, { name: 'topic', type: 'string' }, { name: 'reason', type: 'string', default: 'none' }]
} as const

t.test('a payload of an older schema is read by the newer one', async (t) => {
  const old = defineCommand<{ topic: string, to: number }>({ type: 1, name: 'move', versions: [first as any] })
  const now = defineCommand<{ topic: string, to: number, reason: string }>({ type: 1, name: 'move', versions: [first as any, second as any] })
  t.match(now.decode(old.encode({ topic: 'a', to: 7 })), { topic: 'a', to: 7, reason: 'none' })
  t.match(now.decode(now.encode({ topic: 'a', to: 2 ** 40, reason: 'x' })), { topic: 'a', to: 2 ** 40, reason: 'x' })
  t.match(old.decode(now.encode({ topic: 'a', to: 8, reason: 'x' }, 1)), { topic: 'a', to: 8 }, 'written for members that are not upgraded yet')
  t.throws(() => old.decode(now.encode({ topic: 'a', to: 8, reason: 'x' })), { code: 'MQ_FORMAT_TOO_NEW' })
})

t.test('payloads that do not fit are refused', async (t) => {
  const command = defineCommand<{ topic: string, to: number }>({ type: 1, name: 'move', versions: [first as any] })
  const payload = command.encode({ topic: 'topic', to: 300 })
  t.throws(() => command.decode(new Uint8Array(0)), { code: 'MQ_CORRUPT' })
  t.throws(() => command.decode(Uint8Array.of(0, 1)), { code: 'MQ_CORRUPT' })
  for (let length = 1; length < payload.length; length++) t.throws(() => command.decode(payload.subarray(0, length)), { code: 'MQ_CORRUPT' })
  t.throws(() => command.decode(Uint8Array.of(...payload, 0)), { code: 'MQ_CORRUPT' })
})

t.test('a large value outgrows the kept buffer', async (t) => {
  const command = defineCommand<string>({ type: 1, name: 'text', versions: ['string'] })
  const text = 'x'.repeat(100_000)
  t.equal(command.decode(command.encode(text)), text)
  t.equal(command.decode(command.encode('y')), 'y')
})

t.test('the commands have numbers and names of their own and give back what they were given', async (t) => {
  const commands = (Object.values(catalogue) as unknown[]).filter((value): value is CommandType<unknown> => typeof (value as { decode?: unknown }).decode === 'function')
  t.ok(commands.length >= 7)
  t.equal(new Set(commands.map(({ type }) => type)).size, commands.length)
  t.equal(new Set(commands.map(({ name }) => name)).size, commands.length)
  const { putTopic, commitConsumerOffset, setFloor } = catalogue
  fc.assert(fc.property(fc.string(), fc.nat(), fc.nat(LARGEST_LONG), fc.dictionary(fc.string(), fc.string()), (text, number, large, attributes) => {
    const offset = { group: text, topic: text, queueId: number, offset: large }
    const topic = { topic: text, readQueueNums: number, writeQueueNums: number, perm: 6, topicSysFlag: 0, order: true, attributes }
    const same = (a: unknown, b: object) => JSON.stringify(Object.entries(a as object).sort()) === JSON.stringify(Object.entries(b).sort())
    return same(commitConsumerOffset.decode(commitConsumerOffset.encode(offset)), offset) &&
      same(setFloor.decode(setFloor.encode({ position: large })), { position: large }) &&
      same({ ...putTopic.decode(putTopic.encode(topic)), attributes: 0 }, { ...topic, attributes: 0 })
  }), { examples: [['', 0, LARGEST_LONG, {}], ['', 2 ** 31 - 1, 0, {}]] })
  t.pass()
})

t.test('a number that would not come back exactly is refused, not rounded', async (t) => {
  const { setFloor } = catalogue
  for (const position of [LARGEST_LONG + 1, 2 ** 53 + 2, 0.5, NaN, Infinity]) t.throws(() => setFloor.encode({ position }), /invalid "long"/)
})
