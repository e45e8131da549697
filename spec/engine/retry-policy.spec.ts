import t from 'tap'
import { retryDelayOf } from '../../lib/engine/index.ts'
import { readRetryPolicy } from '../../lib/engine/retry-policy.ts'
import { groupConfig } from './wire.ts'

const delays = (groupRetryPolicy: string, times: number[]): Array<number | undefined> => {
  const config = { ...groupConfig('g'), groupRetryPolicy }
  return times.map((reconsumeTimes) => retryDelayOf(config, reconsumeTimes))
}

t.test('a group without a policy leaves it to the levels', async (t) => {
  for (const text of ['', '{"type":"CUSTOMIZED"}', '{"type":"EXPONENTIAL"}', '{"customizedRetryPolicy":null}', '{"customizedRetryPolicy":{}}']) {
    t.same(delays(text, [0, 5]), [undefined, undefined], text)
  }
})

t.test('exponential: from the initial delay to the longest', async (t) => {
  t.same(delays('{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":100,"max":1000,"multiplier":3}}', [-1, 0, 1, 2, 3, 32, 1000]), [100, 100, 300, 900, 1000, 1000, 1000])
  t.same(delays('{"type":"EXPONENTIAL","exponentialRetryPolicy":{}}', [0, 1, 20]), [5000, 10_000, 7_200_000], 'what is not said is as in RocketMQ')
})

t.test('a list: retries begin with its third delay, as in RocketMQ; the last one repeats', async (t) => {
  t.same(delays('{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000,5000,10000,30000]}}', [0, 1, 2, 9]), [10_000, 30_000, 30_000, 30_000])
  t.same(delays('{"customizedRetryPolicy":{"next":["700"]}}', [0, 1]), [700, 700])
})

t.test('what is no policy is refused', async (t) => {
  for (const text of [
    'x', '[]', '{"type":"LINEAR"}', '{"type":"EXPONENTIAL","exponentialRetryPolicy":7}', '{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":-1}}',
    '{"type":"EXPONENTIAL","exponentialRetryPolicy":{"multiplier":0}}', '{"type":"EXPONENTIAL","exponentialRetryPolicy":{"max":9007199254740993}}',
    '{"customizedRetryPolicy":{"next":[]}}', '{"customizedRetryPolicy":{"next":[1,null]}}', '{"customizedRetryPolicy":{"next":[1.5]}}', '{"customizedRetryPolicy":{"next":{}}}'
  ]) t.throws(() => readRetryPolicy(text), { code: 'MQ_INVALID_ARGUMENT' }, text)
})

t.test('a policy that was kept before policies were understood, and is none: the levels decide', async (t) => {
  t.same(delays('{"type":"LINEAR"}', [0, 5]), [undefined, undefined])
  t.same(delays('{"customizedRetryPolicy":{"next":[]}}', [0, 5]), [undefined, undefined])
})
