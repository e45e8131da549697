import { encodeRequest, endTransaction, HeaderType, OutboundBuffer, TransactionState } from '../../lib/remoting/index.ts'

const OPAQUE_AT = 13
/** Where the extension section of an answer begins, which has no remark. */
const FIELDS_AT = 29
/** Digits at the end of an offset message id. */
const OFFSET_DIGITS = 16
/** Fields of the answer, known by the lengths of their names. */
const MSG_ID = 'msgId'.length
const QUEUE_OFFSET = 'queueOffset'.length
const TRANSACTION_ID = 'transactionId'.length

/**
 * Commits of half messages, each made of the answer to its send: binary, encoded once by the library for all that are of the
 * same length, with the numbers and the id of each put in. A producer in Java has about this work, but not in this process.
 */
export class EndFrames {
  readonly #producerGroup: string
  #template = Buffer.alloc(0)
  #halfDigits = 0
  #positionDigits = 0
  #halfAt = 0
  #positionAt = 0
  #idAt = 0

  constructor (producerGroup: string) {
    this.#producerGroup = producerGroup
  }

  /** Appends the one-way request that commits what the answer at `bytes` [from, to) has confirmed. */
  write (out: OutboundBuffer, bytes: Buffer, from: number, to: number, opaque: number): void {
    let halfFrom = 0
    let halfTo = 0
    let messageIdTo = 0
    let idFrom = 0
    let idTo = 0
    for (let at = from + FIELDS_AT; at < to;) {
      const nameBytes = bytes[at]! << 8 | bytes[at + 1]!
      const valueFrom = at + 6 + nameBytes
      at = valueFrom + bytes.readInt32BE(valueFrom - 4)
      if (nameBytes === MSG_ID) {
        messageIdTo = at
      } else if (nameBytes === QUEUE_OFFSET) {
        halfFrom = valueFrom
        halfTo = at
      } else if (nameBytes === TRANSACTION_ID) {
        idFrom = valueFrom
        idTo = at
      }
    }
    const position = hexAt(bytes, messageIdTo - OFFSET_DIGITS, messageIdTo)
    const positionDigits = digitsOf(position)
    if (halfTo - halfFrom !== this.#halfDigits || positionDigits !== this.#positionDigits) this.#encode(bytes.toString('latin1', halfFrom, halfTo), String(position), bytes.toString('latin1', idFrom, idTo))
    out.reserve(this.#template.length)
    const { bytes: into, at } = out
    into.set(this.#template, at)
    into.writeInt32BE(opaque, at + OPAQUE_AT)
    for (let i = halfFrom, digit = at + this.#halfAt; i < halfTo; i++) into[digit++] = bytes[i]!
    let rest = position
    for (let digit = at + this.#positionAt + positionDigits - 1; digit >= at + this.#positionAt; digit--) {
      const tenth = Math.floor(rest / 10)
      into[digit] = 48 + rest - 10 * tenth
      rest = tenth
    }
    for (let i = idFrom, character = at + this.#idAt; i < idTo; i++) into[character++] = bytes[i]!
    out.at += this.#template.length
  }

  #encode (halfOffset: string, position: string, msgId: string): void {
    const extFields = endTransaction.request.encode({
      producerGroup: this.#producerGroup,
      tranStateTableOffset: Number(halfOffset),
      commitLogOffset: Number(position),
      commitOrRollback: TransactionState.commit,
      fromTransactionCheck: false,
      msgId
    })
    const out = new OutboundBuffer()
    encodeRequest(out, HeaderType.binary, { code: endTransaction.code, extFields }, 0, true)
    this.#template = Buffer.concat(out.take())
    const valueAt = (name: string): number => this.#template.indexOf(name) + name.length + 4
    this.#halfAt = valueAt('tranStateTableOffset')
    this.#positionAt = valueAt('commitLogOffset')
    this.#idAt = valueAt('msgId')
    this.#halfDigits = halfOffset.length
    this.#positionDigits = position.length
  }
}

function hexAt (bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let i = from; i < to; i++) value = value * 16 + bytes[i]! - (bytes[i]! > 57 ? 55 : 48)
  return value
}

function digitsOf (value: number): number {
  let digits = 1
  for (let bound = 10; value >= bound; bound *= 10) digits++
  return digits
}
