import { NAME_END, PROPERTY_END } from './properties.ts'
import { tagsCodeOf } from './tags-code.ts'

const NAME_END_BYTE = NAME_END.charCodeAt(0)
const PROPERTY_END_BYTE = PROPERTY_END.charCodeAt(0)
const TAGS = new TextEncoder().encode('TAGS')
const utf8 = new TextDecoder()

/**
 * The value of a property in stored text that was not decoded, as a view; undefined: there is none of that name, or it
 * is empty. Of several with one name the last counts, as for readers that decode all of them.
 */
export function findProperty (properties: Uint8Array, name: Uint8Array): Uint8Array | undefined {
  let found: Uint8Array | undefined
  for (let at = 0; at < properties.length;) {
    let end = properties.indexOf(PROPERTY_END_BYTE, at)
    if (end < 0) end = properties.length
    const valueAt = at + name.length + 1
    if (valueAt < end && properties[valueAt - 1] === NAME_END_BYTE && beginsWith(properties, at, name)) found = properties.subarray(valueAt, end)
    at = end + 1
  }
  return found
}

/** `tagsCodeOf` the message's TAGS. */
export function tagsCodeIn (properties: Uint8Array): number {
  const tags = findProperty(properties, TAGS)
  if (tags === undefined) return 0
  let hash = 0
  for (let i = 0; i < tags.length; i++) {
    const byte = tags[i]!
    if (byte > 0x7f) return tagsCodeOf(utf8.decode(tags))
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  return hash
}

/** Whether more properties may follow the text as it is: some clients leave out the last separator. */
export function isEnded (properties: Uint8Array): boolean {
  return properties.length === 0 || properties[properties.length - 1] === PROPERTY_END_BYTE
}

function beginsWith (bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}
