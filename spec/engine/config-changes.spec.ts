import t from 'tap'
import fc from 'fast-check'
import { VirtualClock } from '../../lib/adapters/index.ts'
import { parseAttributeChanges } from '../../lib/engine/index.ts'
import { changedAttributes, topicAttributeRules } from '../../lib/engine/attributes.ts'
import { groupConfig, openEngine, put, topicConfig, wireMessage } from './wire.ts'

t.test('attributes: what may be given, changed and taken away', async (t) => {
  const change = (current: Record<string, string> | undefined, text: string) => changedAttributes(topicAttributeRules, current, parseAttributeChanges(text))
  t.same(change(undefined, '+message.type=FIFO,+queue.type=SimpleCQ'), { 'message.type': 'FIFO', 'queue.type': 'SimpleCQ' })
  t.same(change({ 'message.type': 'FIFO' }, '+message.type=DELAY'), { 'message.type': 'DELAY' })
  t.same(change({ 'message.type': 'FIFO', codec: 'json' }, '-message.type'), { codec: 'json' })
  t.same(change({ codec: 'json' }, ''), { codec: 'json' })
  for (const [current, text] of [
    [undefined, '-message.type'], [{}, '-message.type'], [{ 'queue.type': 'SimpleCQ' }, '+queue.type=SimpleCQ'], [undefined, '+queue.type=BatchCQ'],
    [undefined, '+message.type=normal'], [undefined, '+colour=red'], [undefined, '+__proto__=x'], [{}, '+reserve.time=soon']
  ] as const) t.throws(() => change(current, text), { code: 'MQ_INVALID_ARGUMENT' }, text)
  for (const text of ['message.type=FIFO', '+a', '+a=', '-a=b', '+a=b=c', '+a=1,+a=2', '=']) t.throws(() => parseAttributeChanges(text), { code: 'MQ_INVALID_ARGUMENT' }, text)
  t.throws(() => changedAttributes(topicAttributeRules, {}, { '+reserve.time': '1', '-reserve.time': '' }), { code: 'MQ_INVALID_ARGUMENT' })
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseAttributeChanges(text)
      return true
    } catch (error) {
      return (error as { code?: string }).code === 'MQ_INVALID_ARGUMENT'
    }
  }))
})

t.test('topics: made, changed, the same again is nothing; a list is one entry or nothing', async (t) => {
  const clock = new VirtualClock({ wallMs: 5000 })
  const engine = await openEngine(clock)
  t.teardown(() => engine.close())
  const { attributes: _, ...config } = topicConfig('orders', 8)
  const seen: string[] = []
  engine.config.onChange((kind, name) => { seen.push(`${kind} ${name} ${engine.store.metadata.topic(name)?.perm}`) })
  t.same(engine.config.version('topic'), { counter: 0, timestampMs: 0 })
  await engine.config.putTopics([{ config, attributeChanges: { '+message.type': 'NORMAL' } }])
  t.same(engine.config.version('topic'), { counter: 1, timestampMs: 5000 })
  const { lastIndex } = engine.stats().log
  await engine.config.putTopics([{ config, attributeChanges: { '+message.type': 'NORMAL' } }])
  await engine.config.putTopics([{ config }])
  t.equal(engine.stats().log.lastIndex, lastIndex)
  await clock.advance(1000)
  await engine.config.putTopics([{ config: { ...config, perm: 4 } }, { config: { ...config, topic: 'other' } }])
  t.equal(engine.stats().log.lastIndex, lastIndex + 1)
  t.match(engine.store.metadata.topic('orders'), { perm: 4, attributes: { 'message.type': 'NORMAL' } })
  await t.rejects(engine.config.putTopics([{ config: { ...config, topic: 'third' } }, { config, attributeChanges: { '+queue.type': 'SimpleCQ' } }]), { code: 'MQ_INVALID_ARGUMENT' })
  t.equal(engine.store.metadata.topic('third'), undefined)
  t.same(engine.config.version('topic'), { counter: 3, timestampMs: 6000 })
  await engine.deleteTopic('other')
  t.same(seen, ['topic orders 6', 'topic orders 4', 'topic other 6', 'topic other undefined'])
  t.equal(engine.config.version('topic').counter, 4)
  t.equal(engine.config.version('group').counter, 0)
})

t.test('more queues for a topic that senders hold', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  await put(engine, 'orders', wireMessage('a'), topicConfig('orders', 1))
  await t.rejects(put(engine, 'orders', wireMessage('b', { queueId: 1 }), topicConfig('orders', 1)), { code: 'MQ_QUEUE_NOT_FOUND' })
  const { attributes: _, ...config } = topicConfig('orders', 2)
  await engine.config.putTopics([{ config }])
  t.match(await put(engine, 'orders', wireMessage('b', { queueId: 1 })), { queueId: 1, queueOffset: 0 })
})

t.test('groups: made with their retry topic in one entry, changed, deleted', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const { lastIndex } = engine.stats().log
  const retry = topicConfig('%RETRY%g', 1)
  const made = await Promise.all([engine.config.ensureGroup(groupConfig('g'), retry), engine.config.ensureGroup(groupConfig('g'), retry)])
  t.same(made, [true, false])
  t.equal(engine.stats().log.lastIndex, lastIndex + 1)
  t.match(engine.store.metadata.topic('%RETRY%g'), { writeQueueNums: 1 })
  await engine.config.putGroups([{ config: { ...groupConfig('g'), retryMaxTimes: 3, groupRetryPolicy: '{"type":"EXPONENTIAL"}' } }])
  t.match(engine.store.metadata.group('g'), { retryMaxTimes: 3, groupRetryPolicy: '{"type":"EXPONENTIAL"}' })
  await t.rejects(engine.config.putGroups([{ config: groupConfig('g'), attributeChanges: { '+a': 'b' } }]), { code: 'MQ_INVALID_ARGUMENT' })
  engine.offsets.commit({ group: 'g', topic: '%RETRY%g', queueId: 0 }, 3)
  await engine.config.deleteGroup('g', { removeOffsets: false })
  t.equal(engine.store.metadata.group('g'), undefined)
  t.equal(engine.offsets.query({ group: 'g', topic: '%RETRY%g', queueId: 0 }), 3)
  await t.rejects(engine.config.deleteGroup('g', { removeOffsets: true }), { code: 'MQ_GROUP_NOT_FOUND' })
  await engine.config.ensureGroup(groupConfig('g'), retry)
  await engine.config.deleteGroup('g', { removeOffsets: true })
  t.equal(engine.offsets.query({ group: 'g', topic: '%RETRY%g', queueId: 0 }), undefined)
})

t.test('values of wrong types or sizes are refused before anything is logged, and harm nobody', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  const { attributes: _, ...topic } = topicConfig('orders')
  const { attributes: __, ...group } = groupConfig('g')
  for (const wrong of [{ readQueueNums: 1.5 }, { writeQueueNums: 2 ** 40 }, { readQueueNums: -1 }, { writeQueueNums: 70_000 }, { perm: '6' }, { order: 'yes' }, { topic: 7 }, { topicSysFlag: NaN }]) {
    await t.rejects(engine.config.putTopics([{ config: { ...topic, ...wrong } as never }]), { code: 'MQ_INVALID_ARGUMENT' }, JSON.stringify(wrong))
    await t.rejects(engine.config.ensureTopic({ ...topicConfig('orders'), ...wrong } as never), { code: 'MQ_INVALID_ARGUMENT' })
  }
  for (const wrong of [{ retryMaxTimes: '16' }, { brokerId: 1e300 }, { consumeEnable: null }, { group: undefined }, { groupRetryPolicy: {} }]) {
    await t.rejects(engine.config.putGroups([{ config: { ...group, ...wrong } as never }]), { code: 'MQ_INVALID_ARGUMENT' }, JSON.stringify(wrong))
    await t.rejects(engine.config.ensureGroup({ ...groupConfig('g'), ...wrong } as never, topicConfig('%RETRY%g')), { code: 'MQ_INVALID_ARGUMENT' })
  }
  await engine.config.putTopics([{ config: topic }])
  for (const offset of [-1, 0.5, NaN, Infinity, 2 ** 53, Number.MAX_SAFE_INTEGER]) engine.offsets.commit({ group: 'g', topic: 'orders', queueId: 0 }, offset)
  for (const queueId of [-1, 4, 0.5, NaN, 2 ** 31]) engine.offsets.commit({ group: 'g', topic: 'orders', queueId }, 1)
  engine.offsets.commit({ group: 'a@b', topic: 'orders', queueId: 0 }, 1)
  await engine.offsets.settled()
  t.same([...engine.store.consumerOffsets.groups()], [])
  t.same(await engine.locks.lock('g', 'c', [-1, 0.5, NaN, 4, 0].map((queueId) => ({ topic: 'orders', queueId }))), [{ topic: 'orders', queueId: 0 }])
  for (const delayMs of [0.5, Infinity, 1e300, 2 ** 53]) await t.rejects(put(engine, 'orders', wireMessage('x', { delayMs })), { code: 'MQ_INVALID_ARGUMENT' })
  await t.rejects(put(engine, 'orders', wireMessage('x', { queueId: NaN })), { code: 'MQ_QUEUE_NOT_FOUND' })
  await put(engine, 'orders', wireMessage('still here', { flag: 2 ** 60, sysFlag: NaN, bornTimestampMs: 1e300, reconsumeTimes: -(2 ** 50) }))
})

t.test('settings, and topics that may be there already', async (t) => {
  const engine = await openEngine()
  t.teardown(() => engine.close())
  await engine.config.putSettings({ 'broker.autoCreateTopicEnable': 'false', 'broker.brokerPermission': '6' })
  t.equal(engine.store.metadata.setting('broker.brokerPermission'), '6')
  await engine.config.putSettings({ 'broker.brokerPermission': '' })
  t.equal(engine.store.metadata.setting('broker.brokerPermission'), undefined)
  t.same([await engine.config.ensureTopic(topicConfig('TBW102', 8)), await engine.config.ensureTopic(topicConfig('TBW102', 4))], [true, false])
  t.equal(engine.store.metadata.topic('TBW102')!.readQueueNums, 8)
})
