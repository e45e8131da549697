import { MqError, viewOf } from '../base/index.ts'

/** One message of a batch as a client sends it. Body and properties are views on the batch's bytes. */
export interface BatchItem {
  readonly flag: number
  readonly body: Uint8Array
  readonly properties: Uint8Array
}

/** Of an item without body and properties. */
const MIN_ITEM_BYTES = 22

/**
 * The messages in the body of a batch: totalSize 4 | magic 4 | crc 4 | flag 4 | bodyLength 4, body | propertiesLength 2,
 * properties; back to back. Magic and crc are not looked at: clients send 0.
 * @see RocketMQ MessageDecoder.encodeMessage
 * @throws MQ_INVALID_ARGUMENT a length does not fit; the batch is empty
 */
export function decodeMessageBatch (batch: Uint8Array): BatchItem[] {
  const view = viewOf(batch)
  const items: BatchItem[] = []
  for (let at = 0; at < batch.length;) {
    const rest = batch.length - at
    const itemBytes = rest < MIN_ITEM_BYTES ? -1 : view.getInt32(at)
    if (itemBytes < MIN_ITEM_BYTES || itemBytes > rest) throw malformed(items.length)
    const bodyBytes = view.getInt32(at + 16)
    if (bodyBytes < 0 || bodyBytes > itemBytes - MIN_ITEM_BYTES) throw malformed(items.length)
    const propertiesAt = at + 20 + bodyBytes + 2
    const propertiesBytes = view.getInt16(propertiesAt - 2)
    if (propertiesBytes < 0 || propertiesAt + propertiesBytes !== at + itemBytes) throw malformed(items.length)
    items.push({
      flag: view.getInt32(at + 12),
      body: batch.subarray(at + 20, at + 20 + bodyBytes),
      properties: batch.subarray(propertiesAt, propertiesAt + propertiesBytes)
    })
    at += itemBytes
  }
  if (items.length === 0) throw new MqError('MQ_INVALID_ARGUMENT', 'the batch holds no message')
  return items
}

function malformed (item: number): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `message ${item} of the batch has a length that does not fit`)
}
