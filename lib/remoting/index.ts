/**
 * The Apache RocketMQ remoting protocol: frames, the headers of every request code, server and client. Of the network it
 * knows only the port `Network` (adapters: `NodeSockets`).
 *
 * **An ordinary request.** `server.handle(code, (request, connection) => response)`: the processor reads the header with
 * the codec of its code (`getMaxOffset.request.decode(request)`), and returns `{ code, remark, extFields, body }`, or a
 * promise of it. What it throws becomes SYSTEM_ERROR with its text; a header field that is missing or malformed is such an error.
 *
 * **A send, without an object or text per field.** In the processor of 10, 310 and 320, at once:
 *
 *     const header = sendHeader.read(request)   // one SendMessageHeader serves all sends; texts that come again are the same string
 *     request.bytes [request.bodyStart, request.end)                              the body
 *     header.propertiesBytes [header.propertiesStart, header.propertiesEnd)       the properties as they are stored
 *
 * Both are to be copied straight into the record. Until then they may be held: a frame's bytes are never written to or used
 * again (`header` itself is overwritten by the next `read`). The processor returns undefined; once the message is stored:
 *
 *     const out = connection.beginResponse(request)   // undefined: one-way, or the connection is gone
 *     if (out !== undefined) sendEncoder.encode(out, request, code, queueId, queueOffset, physicalOffset, uniqueKey...)
 *
 * All that is answered in one turn of the event loop leaves with one write per connection. A request counts as in flight
 * until `beginResponse`, `respond` or `park`; what is in flight is bounded per connection and over all of them (limits.ts)
 * by not reading on. An answer to a batch (320) has a list of ids and goes through `respond`; its items are read by BatchItems.
 *
 * **A pull.** `new PullMessageHeader().read(request)` is an object of its own. Found something: `encodePullResponse` with the
 * records as pieces of the log (or a BodyWriter), copied once, into the outgoing buffer. Has to wait: keep the header and
 * `connection.park(request)`, not the frame, and answer what `park` gave in place of the request; `connection.onClose` tells
 * of a client that went away.
 *
 * **Requests to a client.** `connection.invoke(request)` and `connection.invokeOneWay(request)`: both sides of a connection can.
 */
export * from './request-code.ts'
export * from './response-code.ts'
export * from './language-code.ts'
export * from './version.ts'
export { checkPrefix, RemotingFrame, HeaderType, type Answerable } from './frame.ts'
export { FrameDecoder, DEFAULT_MAX_FRAME_BYTES } from './frame-decoder.ts'
export type { Body, BodyWriter, RemotingRequest, RemotingResponse } from './command.ts'
export { failure, success, withBody } from './answers.ts'
export { encodeRequest, encodeResponse, encodeResponseOrFailure } from './encode-command.ts'
export { OutboundBuffer, SlabPool } from './outbound-buffer.ts'
export type { ExtFields, HeaderCodec, HeaderOf, RequestDefinition } from './header-codec.ts'
export type { Address, ByteConnection, Listener, Network } from './network.ts'
export * from './address.ts'
export * from './limits.ts'
export { RemotingConnection, DEFAULT_INVOKE_TIMEOUT_MS, type CloseReason, type InvokeOptions, type OtherProtocol, type Processor } from './connection.ts'
export { RemotingServer, type RemotingServerOptions } from './server.ts'
export { RemotingClient, type RemotingClientOptions } from './client.ts'
export * from './send-response.ts'
export * from './pull-response.ts'
export { encodeMessageId, decodeMessageId } from './message-id.ts'
export { UniqueKeys } from './unique-key.ts'
export * from './batch-items.ts'
export * from './headers/send-message.ts'
export * from './headers/push-reply.ts'
export * from './headers/pull-message.ts'
export * from './headers/consumer-offset.ts'
export * from './headers/pop-message.ts'
export * from './headers/queue-offset.ts'
export * from './headers/query-message.ts'
export * from './headers/send-back.ts'
export * from './headers/recall-message.ts'
export * from './headers/transactions.ts'
export * from './headers/client-membership.ts'
export * from './headers/topic-admin.ts'
export * from './headers/subscription-group-admin.ts'
export * from './headers/connections.ts'
export * from './headers/consume-progress.ts'
export * from './headers/client-directed.ts'
export * from './headers/broker-admin.ts'
export * from './headers/elect-master.ts'
export * from './headers/group-nodes.ts'
export * from './headers/resend-dead-letters.ts'
export * from './headers/broker-registration.ts'
export * from './headers/route.ts'
export * from './headers/namesrv-config.ts'
export { isTrueAt } from './field-reader.ts'
export { InternedTexts } from './interned-texts.ts'
