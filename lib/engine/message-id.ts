import { hostHex, LOCAL_HOST, offsetMessageId } from '../message/index.ts'

const HOST_HEX = hostHex(LOCAL_HOST)

/** The id of a message of an embedded queue: its store host is 127.0.0.1 with port 0. */
export function messageIdOf (physicalOffset: number): string { return offsetMessageId(HOST_HEX, physicalOffset) }
