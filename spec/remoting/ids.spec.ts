import fc from 'fast-check'
import t from 'tap'
import { NodeRandom } from '../../lib/adapters/index.ts'
import {
  addressText, BatchItems, decodeHost, decodeMessageId, encodeBatchItems, encodeHost, encodeMessageId, parseAddress, UniqueKeys
} from '../../lib/remoting/index.ts'
import { startOfMonthMs } from '../../lib/remoting/unique-key.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

t.test('addresses as text', async (t) => {
  for (const text of ['127.0.0.1:10911', 'broker-a.example:1', '[::1]:9876', '[fe80::1%eth0]:80']) t.equal(addressText(parseAddress(text)), text)
  t.same(parseAddress(' a:1 '), { host: 'a', port: 1 })
  for (const text of ['', 'a', 'a:', ':1', 'a:b', 'a:70000', '::1:80', 'a b:1', '[a]:1:2', '[x]:1']) t.throws(() => parseAddress(text), { code: 'MQ_INVALID_ARGUMENT' }, text)
})

t.test('addresses as records store them', async (t) => {
  const stored = (host: string): string => Buffer.from(encodeHost({ host, port: 10_911 })).toString('hex')
  t.equal(stored('127.0.0.1'), '7f00000100002a9f')
  t.equal(stored('::ffff:10.1.2.3'), '0a01020300002a9f')
  t.equal(stored('::1'), '0'.repeat(31) + '100002a9f')
  t.equal(stored('2001:db8::a:b'), '20010db80000000000000000000a000b00002a9f')
  t.equal(stored('1:2:3:4:5:6:7:8'), '0001000200030004000500060007000800002a9f')
  t.equal(stored('64:ff9b::1.2.3.4'), '0064ff9b0000000000000000010203040000' + '2a9f')
  t.equal(stored('fe80::1%eth0'), 'fe80000000000000000000000000000100002a9f')
  for (const odd of ['', 'name', '1.2.3', '1.2.3.256', '1::2::3', ':::', '1:2:3', '1:2:3:4:5:6:7:8:9', '::1.2.3.999', '12345::']) t.equal(stored(odd), '0000000000002a9f', odd)
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(0xffff), (host, port) => {
    const once = encodeHost({ host, port })
    return Buffer.from(encodeHost(decodeHost(once))).equals(once) && decodeHost(once).port === port
  }), { numRuns: 500 })
})

t.test('message ids', async (t) => {
  const storeHost = encodeHost({ host: '127.0.0.1', port: 10_911 })
  t.equal(encodeMessageId(storeHost, 1000), '7F00000100002A9F00000000000003E8')
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(0xffff), fc.maxSafeNat(), (host, port, physicalOffset) => {
    const id = encodeMessageId(encodeHost({ host, port }), physicalOffset)
    const decoded = decodeMessageId(id.toLowerCase())
    return decoded.physicalOffset === physicalOffset && Buffer.from(decoded.storeHost).equals(encodeHost({ host, port })) && id === id.toUpperCase()
  }), { numRuns: 500 })
  for (const wrong of ['', 'x'.repeat(32), '7F', '0'.repeat(33), '0'.repeat(48)]) t.throws(() => decodeMessageId(wrong), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('unique keys', async (t) => {
  const wallMs = Date.UTC(2026, 1, 28, 23, 59, 59, 999)
  const clock = new VirtualClock({ wallMs })
  const keys = new UniqueKeys(clock, { next: () => 0.5 }, encodeHost({ host: '10.1.2.3', port: 1 }), 70_000)
  const month = (key: string): number => parseInt(key.slice(20, 28), 16)
  const first = keys.next()
  t.match(first, /^0A010203117080000000[0-9A-F]{8}8001$/)
  t.equal(month(first), wallMs - Date.UTC(2026, 1, 1))
  clock.setWallMs(wallMs + 1)
  t.equal(month(keys.next()), 0, 'a new month')
  clock.setWallMs(wallMs - 86_400_000)
  t.equal(month(keys.next()), wallMs - 86_400_000 - Date.UTC(2026, 1, 1), 'a clock that goes back')
  t.equal(new UniqueKeys(clock, new NodeRandom(), encodeHost({ host: '::1', port: 1 }), 1).next().length, 56)
  const many = new Set(Array.from({ length: 65_536 }, () => keys.next()))
  t.equal(many.size, 65_536)
  fc.assert(fc.property(fc.integer({ min: 0, max: Date.UTC(2500, 0, 1) }), (ms) => {
    const date = new Date(ms)
    return startOfMonthMs(ms) === Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  }), { numRuns: 3000, examples: [[0], [Date.UTC(2000, 1, 29)], [Date.UTC(2100, 1, 28, 23)], [Date.UTC(2400, 1, 29)], [Date.UTC(2000, 2, 1)]] })
})

t.test('golden items of batches', async (t) => {
  const item = (text: string, properties: string, flag: number) => ({ body: Buffer.from(text), properties: Buffer.from(properties), flag })
  t.equal(Buffer.from(encodeBatchItems([item('a', 'KEYS\u0001k1\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002', 0)])).toString('hex'),
    '00000033000000000000000000000000' + '0000000161' + '001c4b455953016b3102574149540174727565025441475301546167' + '4102')
  t.equal(Buffer.from(encodeBatchItems([item('bb', 'WAIT\u0001true\u0002', 9)])).toString('hex'), '00000022000000000000000000000009' + '000000026262' + '000a57414954017472756502')
})

interface Read { flag: number, body: string, properties: string }

function itemsOf (bytes: Uint8Array, start = 0, end = bytes.length): Read[] {
  const items = new BatchItems(bytes, start, end)
  const read: Read[] = []
  const hex = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex')
  while (items.next()) read.push({ flag: items.flag, body: hex(items.bodyStart, items.bodyEnd), properties: hex(items.propertiesStart, items.propertiesEnd) })
  return read
}

t.test('batches come back item by item, and broken ones are refused within their bounds', async (t) => {
  const itemArbitrary = fc.record({ flag: fc.integer(), body: fc.uint8Array({ maxLength: 100 }), properties: fc.uint8Array({ maxLength: 100 }) })
  const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  fc.assert(fc.property(fc.array(itemArbitrary, { maxLength: 10 }), fc.nat(50), (items, before) => {
    const batch = encodeBatchItems(items)
    const framed = Buffer.concat([Buffer.alloc(before, 1), batch, Buffer.alloc(9, 1)])
    t.same(itemsOf(framed, before, before + batch.length), items.map(({ flag, body, properties }) => ({ flag, body: hexOf(body), properties: hexOf(properties) })))
    return t.passing()
  }), { numRuns: 100 })
  const batch = Buffer.from(encodeBatchItems([{ flag: 0, body: Buffer.alloc(30), properties: Buffer.alloc(20) }, { flag: 0, body: Buffer.alloc(30), properties: Buffer.alloc(20) }]))
  fc.assert(fc.property(fc.nat(batch.length - 4), fc.oneof(fc.integer(), fc.nat(100), fc.constantFrom(-1, 0x7fffffff)), fc.nat(batch.length), (at, value, end) => {
    const changed = Buffer.from(batch)
    changed.writeInt32BE(value, at)
    try {
      for (const { body, properties } of itemsOf(changed, 0, end)) if (body.length + properties.length > 2 * batch.length) return false
    } catch (error) {
      return (error as { code?: string }).code === 'MQ_INVALID_ARGUMENT'
    }
    return true
  }), { numRuns: 5000 })
  for (let end = 1; end < batch.length; end++) if (end !== batch.length / 2) t.throws(() => itemsOf(batch, 0, end), { code: 'MQ_INVALID_ARGUMENT' })
  t.throws(() => encodeBatchItems([{ flag: 0, body: Buffer.alloc(1), properties: Buffer.alloc(32_768) }]), { code: 'MQ_MESSAGE_TOO_LARGE' })
})
