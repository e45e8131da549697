import {
  encodePullResponse, encodeRequest, encodeResponse, FrameDecoder, HeaderType, OutboundBuffer, PullMessageHeader, PullStatus, pullMessageResponse, RemotingFrame,
  SendMessageHeader, SendResponseEncoder, sendMessageResponse, type ExtFields
} from '../../lib/remoting/index.ts'
import { encodeHost } from '../../lib/remoting/address.ts'
import type { MicroSuite } from './suite.ts'

const BURST = 64

/** A send and a pull as Java's clients write them: 1 KiB of body, usual properties. */
const sendFields: ExtFields = {
  a: 'please_rename_unique_group_name',
  b: 'TopicTest',
  c: 'TBW102',
  d: '4',
  e: '3',
  f: '0',
  g: '1700000000000',
  h: '0',
  i: 'KEYS\u0001OrderID188\u0002UNIQ_KEY\u00010A01020300002A9F0000000000000001\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002',
  j: '0',
  k: 'false',
  m: 'false',
  n: 'broker-a'
}
const pullFields: ExtFields = {
  consumerGroup: 'please_rename_unique_group_name_4',
  topic: 'TopicTest',
  queueId: '3',
  queueOffset: '123456789',
  maxMsgNums: '32',
  sysFlag: '3',
  commitOffset: '123456700',
  suspendTimeoutMillis: '15000',
  subscription: '*',
  subVersion: '1700000000000',
  expressionType: 'TAG',
  maxMsgBytes: '262144',
  bname: 'broker-a'
}

/** Headers of the hot requests and answers, decoded and encoded, per header type. */
export const remoting: MicroSuite = async (add) => {
  const out = new OutboundBuffer()
  const bytesOf = (encode: () => void): Buffer => {
    encode()
    const bytes = Buffer.concat(out.take())
    return bytes
  }
  const empty = (): void => { out.release(out.take()) }
  const body = new Uint8Array(1024)
  const types = [['json', HeaderType.json], ['binary', HeaderType.binary]] as const
  const uniqueKey = new TextEncoder().encode('0A01020300002A9F0000000000000001')
  const sends = new SendResponseEncoder({ storeHost: encodeHost({ host: '127.0.0.1', port: 10_911 }) })
  for (const [name, type] of types) {
    const send = bytesOf(() => encodeRequest(out, type, { code: 310, extFields: sendFields, body }, 7, false))
    const pull = bytesOf(() => encodeRequest(out, type, { code: 11, extFields: pullFields }, 7, false))
    const answer = { headerType: type, opaque: 123_456, isOneWay: false, inflightBytes: 0 }
    const sendHeader = new SendMessageHeader()
    const pullHeader = new PullMessageHeader()
    add(`${name}: scan a frame of SEND_MESSAGE_V2 (${send.length - 1032} B header)`, () => new RemotingFrame(send, 0, send.length))
    add(`${name}: scan it and read its header`, () => sendHeader.read(new RemotingFrame(send, 0, send.length)))
    add(`${name}: scan PULL_MESSAGE and read its header (${pull.length - 8} B)`, () => pullHeader.read(new RemotingFrame(pull, 0, pull.length)))
    const stream = Buffer.concat(Array.from({ length: BURST }, () => send))
    add(`${name}: ${BURST} sends out of one chunk`, () => {
      const decoder = new FrameDecoder()
      decoder.push(stream)
      let sum = 0
      for (let frame; (frame = decoder.next()) !== undefined;) sum += sendHeader.read(frame).queueId
      return sum
    })
    add(`${name}: encode ${BURST} answers to sends`, () => {
      for (let i = 0; i < BURST; i++) sends.encode(out, answer, 0, 3, 1_234_567, 12_345_678_901, uniqueKey, 0, 32)
      empty()
    })
    add(`${name}: encode ${BURST} of them by the general encoder`, () => {
      for (let i = 0; i < BURST; i++) {
        encodeResponse(out, answer, { code: 0, extFields: sendMessageResponse.encode({ MSG_REGION: 'DefaultRegion', TRACE_ON: 'true', msgId: '7F00000100002A9F00000000000003E8', queueId: 3, queueOffset: 1_234_567, transactionId: '0A01020300002A9F0000000000000001' }) })
      }
      empty()
    })
    const records = Array.from({ length: 32 }, () => new Uint8Array(1150))
    add(`${name}: encode an answer to a pull of 32 records of 1,150 B`, () => {
      encodePullResponse(out, answer, 0, PullStatus.FOUND, 0, 123_456_789, 0, 123_456_999, records)
      empty()
    })
    add(`${name}: encode an answer to a pull that found nothing`, () => {
      encodePullResponse(out, answer, 19, PullStatus.OFFSET_OVERFLOW_ONE, 0, 123_456_789, 0, 123_456_789, undefined)
      empty()
    })
    const pullAnswer = bytesOf(() => encodePullResponse(out, answer, 0, PullStatus.FOUND, 0, 123_456_789, 0, 123_456_999, records))
    add(`${name}: read the header of that answer`, () => pullMessageResponse.decode(new RemotingFrame(pullAnswer, 0, pullAnswer.length)))
  }
  const text = Buffer.from(JSON.stringify({ code: 310, extFields: sendFields, flag: 0, language: 'JAVA', opaque: 7, serializeTypeCurrentRPC: 'JSON', version: 479 }))
  add('for comparison: JSON.parse of the header', () => JSON.parse(text.toString()))
}
