import t from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { decodeForwarded, encodeForwarded } from '../../lib/broker/forwarded-request.ts'
import { encodeRequest, HeaderType, OutboundBuffer, RemotingFrame, RequestCode } from '../../lib/remoting/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'

function frameOf (headerType: HeaderType, body: string): RemotingFrame {
  const out = new OutboundBuffer()
  encodeRequest(out, headerType, { code: RequestCode.SEND_MESSAGE_V2, extFields: { b: '主题' }, body: Buffer.from(body) }, 77, false)
  return new RemotingFrame(out.bytes, 0, out.at)
}

for (const headerType of [HeaderType.json, HeaderType.binary]) {
  t.test(`a forwarded request is what the client sent, and whose it is (header type ${headerType})`, async (t) => {
    const frame = frameOf(headerType, 'message')
    const { client, clientId, frame: again } = decodeForwarded(encodeForwarded(frame, { host: 'fe80::1', port: 65_535 }, '10.0.0.1@客户'))
    t.same([client, clientId], [{ host: 'fe80::1', port: 65_535 }, '10.0.0.1@客户'])
    t.same([again.code, again.opaque, again.headerType, again.extFields().get('b'), Buffer.from(again.body).toString()], [310, 77, headerType, '主题', 'message'])
    t.equal(decodeForwarded(encodeForwarded(frame, { host: '127.0.0.1', port: 1 })).clientId, undefined, 'a client without a heartbeat has no name')
  })

  t.test(`what is cut off, longer, or changed is refused and harms nobody (header type ${headerType})`, async (t) => {
    const bytes = encodeForwarded(frameOf(headerType, 'message'), { host: '127.0.0.1', port: 4711 }, 'client')
    const failureOf = (changed: Uint8Array): unknown => {
      try {
        decodeForwarded(changed)
        return undefined
      } catch (error) {
        return error
      }
    }
    for (let length = 0; length < bytes.length; length++) t.ok(isMqError(failureOf(bytes.slice(0, length)), 'MQ_BAD_FRAME'), `${length} bytes`)
    t.ok(isMqError(failureOf(Buffer.concat([bytes, Buffer.alloc(1)])), 'MQ_BAD_FRAME'))
    const random = new SeededRandom(5)
    for (let round = 0; round < 20_000; round++) {
      const changed = bytes.slice()
      for (let i = 0; i < 1 + Math.floor(random.next() * 4); i++) changed[Math.floor(random.next() * changed.length)] = Math.floor(random.next() * 256)
      const failure = failureOf(changed)
      if (failure !== undefined && !isMqError(failure)) t.fail(`round ${round}: ${String(failure)}`)
    }
  })
}
