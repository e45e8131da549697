import { MqError } from '../base/index.ts'
import { LanguageCode } from './language-code.ts'

/** More extension fields than this in one header are refused; real requests have about 20. */
export const MAX_EXT_FIELDS = 1024

/** Numbers of an extension field in `HeaderScan.spans`. */
export const SPAN_INTS = 5
export const KEY_START = 0
export const KEY_END = 1
export const VALUE_START = 2
export const VALUE_END = 3
export const SPAN_FLAGS = 4

/** The value lies in its bytes with JSON escapes. */
export const VALUE_ESCAPED = 1
/** The key lies in its bytes with JSON escapes. */
export const KEY_ESCAPED = 2

/**
 * What one pass over a header found: its fixed fields, and where the bytes of the remark and of each extension field are.
 * No text is made. There is one of these in the process, filled for the frame that is being handled; a frame that is asked
 * later scans again (see RemotingFrame).
 *
 * Extension fields with a null value are left out, as RocketMQ does. A key may occur twice: the last one counts.
 */
export class HeaderScan {
  code = 0
  language: LanguageCode = LanguageCode.JAVA
  version = 0
  opaque = 0
  flag = 0
  /** An empty span, or -1 when there is no remark. */
  remarkStart = -1
  remarkEnd = -1
  remarkEscaped = false
  extCount = 0
  /** `extCount` times SPAN_INTS numbers; positions are those in the frame's bytes. */
  spans: Int32Array = new Int32Array(64 * SPAN_INTS)

  reset (): void {
    this.code = 0
    this.language = LanguageCode.JAVA
    this.version = 0
    this.opaque = 0
    this.flag = 0
    this.remarkStart = -1
    this.remarkEnd = -1
    this.remarkEscaped = false
    this.extCount = 0
  }

  add (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number, flags: number): void {
    const at = this.extCount * SPAN_INTS
    const spans = at < this.spans.length ? this.spans : this.grow(this.extCount)
    spans[at] = keyStart
    spans[at + 1] = keyEnd
    spans[at + 2] = valueStart
    spans[at + 3] = valueEnd
    spans[at + 4] = flags
    this.extCount++
  }

  /** Makes `spans` longer when it holds that many fields. */
  grow (count: number): Int32Array {
    if (count >= MAX_EXT_FIELDS) throw badFrame(`the header has more than ${MAX_EXT_FIELDS} extension fields`)
    const grown = new Int32Array(this.spans.length * 2)
    grown.set(this.spans)
    this.spans = grown
    return grown
  }
}

export function badFrame (what: string): MqError {
  return new MqError('MQ_BAD_FRAME', what)
}
