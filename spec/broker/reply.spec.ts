import t from 'tap'
import { decodeProperties } from '../../lib/message/index.ts'
import { pushReplyMessageToClient, RequestCode, ResponseCode, sendMessageResponse } from '../../lib/remoting/index.ts'
import { propertiesText, sendFields, startedBroker } from './support.ts'

t.test('a reply is handed to the producer that waits for it', async (t) => {
  const { connect } = await startedBroker(t)
  const [requester, responder] = [connect(), connect()]
  await requester.heartbeat('requester', { producers: ['requesters'] })
  const reply = (to: string) => responder.ask(RequestCode.SEND_REPLY_MESSAGE_V2,
    { ...sendFields('DefaultCluster_REPLY_TOPIC'), i: propertiesText({ MSG_TYPE: 'reply', CORRELATION_ID: '7', REPLY_TO_CLIENT: to }) }, { body: 'answer' })
  const answer = await reply('requester')
  t.equal(answer.code, ResponseCode.SUCCESS)
  t.match(sendMessageResponse.decode(answer), { msgId: '0', queueId: 0, queueOffset: 0 })
  const [pushed] = requester.asked
  t.equal(Buffer.from(pushed!.body).toString(), 'answer')
  const header = pushReplyMessageToClient.request.decode(pushed!)
  t.match(header, { topic: 'DefaultCluster_REPLY_TOPIC', storeHost: '127.0.0.1:10911' })
  t.match(Object.fromEntries(decodeProperties(header.properties!)), { CORRELATION_ID: '7', MSG_TYPE: 'reply', PUSH_REPLY_TIME: /^\d+$/ })
  const lost = await reply('nobody')
  t.equal(lost.code, ResponseCode.SYSTEM_ERROR)
  t.match(lost.remark, /channel of <nobody> not found/)
})
