/** Store host of an embedded queue, 127.0.0.1 and port 0, as the head of a message id. */
const HOST_HEX = '7F00000100000000'

/** RocketMQ's offset message id: store host and physicalOffset, in upper-case hex. */
export function messageIdOf (physicalOffset: number): string {
  return HOST_HEX + physicalOffset.toString(16).toUpperCase().padStart(16, '0')
}
