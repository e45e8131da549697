import { badFrame, HeaderScan, KEY_ESCAPED, KEY_START, SPAN_FLAGS, SPAN_INTS, VALUE_ESCAPED, VALUE_START } from './header-scan.ts'
import type { LanguageCode } from './language-code.ts'
import { scanBinaryHeader } from './scan-binary.ts'
import { scanJsonHeader } from './scan-json.ts'
import { textOf, unescapedText } from './text.ts'

/**
 * A frame, big-endian:
 *
 *     totalLength i32 (bytes that follow) | headerType u8 | headerLength u24 | header | body (the rest)
 */
export const LENGTH_BYTES = 4
export const PREFIX_BYTES = 8

/** How the header is written. Always answer in the type of the request. */
export const HeaderType = { json: 0, binary: 1 } as const
export type HeaderType = typeof HeaderType[keyof typeof HeaderType]

export const RESPONSE_FLAG = 1
export const ONE_WAY_FLAG = 2

/** What the connection needs to know to answer a request, now or later; a long poll keeps only this (`RemotingConnection.park`). */
export interface Answerable {
  readonly opaque: number
  readonly headerType: HeaderType
  /** Nothing may be sent for it, whatever happens. */
  readonly isOneWay: boolean
  /** What it counts for in the bytes in flight of its connection, which sets this; 0 when it does not (any more). */
  inflightBytes: number
}

const scan = new HeaderScan()
let scans = 0

/**
 * A request or response as it came in: a view on received bytes. The fixed fields of the header are there; extension
 * fields are read in place when asked for, best through a header codec (headers/).
 *
 * **Who owns the bytes**: the frame. Nobody writes to them or uses them again, so views of them (`body`, spans of header
 * fields) stay valid as long as somebody holds them. They may pin up to 64 KiB that arrived in one piece: what is kept for
 * long (a waiting pull, a registration) is copied, or read into an object of its own.
 */
export class RemotingFrame implements Answerable {
  /** Holds the frame, and as a rule others. Positions below are positions in it. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly headerStart: number
  /** The body is at [bodyStart, end). */
  readonly bodyStart: number
  readonly headerType: HeaderType
  /** Request or response code, by `isResponse`. */
  readonly code: number
  readonly language: LanguageCode
  readonly version: number
  readonly opaque: number
  readonly flag: number
  inflightBytes = 0
  #scanNumber: number

  /** `bytes` at [start, end) must be one whole frame whose prefix was checked (`checkPrefix`). @throws MQ_BAD_FRAME the header is malformed */
  constructor (bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.headerStart = start + PREFIX_BYTES
    this.bodyStart = start + PREFIX_BYTES + (bytes[start + 5]! << 16 | bytes[start + 6]! << 8 | bytes[start + 7]!)
    this.headerType = bytes[start + 4]! as HeaderType
    if (this.headerType === HeaderType.binary) scanBinaryHeader(bytes, this.headerStart, this.bodyStart, scan)
    else scanJsonHeader(bytes, this.headerStart, this.bodyStart, scan)
    this.code = this.headerType === HeaderType.binary && (scan.flag & RESPONSE_FLAG) === 0 ? wholeCode(scan.code) : scan.code
    this.language = scan.language
    this.version = scan.version
    this.opaque = scan.opaque
    this.flag = scan.flag
    this.#scanNumber = scans = (scans + 1) | 0
  }

  get isResponse (): boolean { return (this.flag & RESPONSE_FLAG) !== 0 }
  get isOneWay (): boolean { return (this.flag & ONE_WAY_FLAG) !== 0 }
  /** Of the whole frame. */
  get sizeBytes (): number { return this.end - this.start }
  get bodyBytes (): number { return this.end - this.bodyStart }
  /** A view; empty when the frame has none. */
  get body (): Uint8Array { return this.bytes.subarray(this.bodyStart, this.end) }

  get remark (): string | undefined {
    const { remarkStart, remarkEnd, remarkEscaped } = this.scanned()
    if (remarkStart < 0) return undefined
    return remarkEscaped ? unescapedText(this.bytes, remarkStart, remarkEnd) : textOf(this.bytes, remarkStart, remarkEnd)
  }

  /** All extension fields as texts, in the order of the header. For signatures, relays and tools; codecs of headers need no such map. */
  extFields (): Map<string, string> {
    const { spans, extCount } = this.scanned()
    const fields = new Map<string, string>()
    for (let at = 0; at < extCount * SPAN_INTS; at += SPAN_INTS) {
      const flags = spans[at + SPAN_FLAGS]!
      const read = (from: number, isEscaped: number): string => (flags & isEscaped) !== 0
        ? unescapedText(this.bytes, spans[at + from]!, spans[at + from + 1]!)
        : textOf(this.bytes, spans[at + from]!, spans[at + from + 1]!)
      fields.set(read(KEY_START, KEY_ESCAPED), read(VALUE_START, VALUE_ESCAPED))
    }
    return fields
  }

  /** The scan of this frame's header; valid until another frame is made or asked. */
  scanned (): HeaderScan {
    if (this.#scanNumber !== scans) {
      if (this.headerType === HeaderType.binary) scanBinaryHeader(this.bytes, this.headerStart, this.bodyStart, scan)
      else scanJsonHeader(this.bytes, this.headerStart, this.bodyStart, scan)
      this.#scanNumber = scans = (scans + 1) | 0
    }
    return scan
  }
}

/**
 * Checks as much of a frame's prefix as `available` bytes at `start` show, before anything is allocated for it. Returns the
 * bytes of the whole frame, or 0 when fewer than four bytes are there.
 * @throws MQ_BAD_FRAME a length is negative, beyond its bound or contradicts the other, or the header type is unknown
 */
export function checkPrefix (bytes: Uint8Array, start: number, available: number, maxFrameBytes: number): number {
  if (available < LENGTH_BYTES) return 0
  const totalBytes = bytes[start]! << 24 | bytes[start + 1]! << 16 | bytes[start + 2]! << 8 | bytes[start + 3]!
  if (totalBytes < LENGTH_BYTES || totalBytes > maxFrameBytes) throw badFrame(`a frame says it has ${totalBytes} bytes; 4 to ${maxFrameBytes} are taken`)
  if (available > LENGTH_BYTES && bytes[start + 4]! > HeaderType.binary) throw badFrame(`header type ${bytes[start + 4]!} is unknown`)
  if (available >= PREFIX_BYTES) {
    const headerBytes = bytes[start + 5]! << 16 | bytes[start + 6]! << 8 | bytes[start + 7]!
    if (headerBytes > totalBytes - LENGTH_BYTES) throw badFrame(`a header of ${headerBytes} bytes does not fit a frame of ${totalBytes}`)
  }
  return LENGTH_BYTES + totalBytes
}

/** Binary headers have 16 bits for a code; the codes of pop are larger and arrive cut off. No request has one of those numbers of its own. */
function wholeCode (code: number): number {
  return (code >= 3442 && code <= 3448) || code === 3543 ? code + 0x30000 : code
}
