import t from 'tap'
import { effectiveConfig, RunningConfig } from '../../lib/config/index.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'

const file = '/etc/namesrv.conf'
const text = '# ours\nlistenPort = 9876\norderMessageEnable=false\n'

async function running (content: string | undefined, name: string | undefined = file) {
  const disk = new FaultyDisk({ directories: ['/etc'] })
  if (content !== undefined) await (await disk.open(file, { create: true })).write(Buffer.from(content), 0)
  const files = content === undefined ? [] : [{ name: file, content }]
  return { disk, config: new RunningConfig(effectiveConfig('namesrv', { files }), disk, name) }
}

const contentOf = async (disk: FaultyDisk) => Buffer.from(await disk.readFile(file) ?? '').toString()

t.test('a change is in force and in the file, whose other lines stay', async (t) => {
  const { disk, config } = await running(text)
  t.same(await config.update('orderMessageEnable=true\nenableTopicList=false'), new Map([['orderMessageEnable', 'true'], ['enableTopicList', 'false']]))
  t.equal(config.values.orderMessageEnable, true)
  t.match(config.toProperties(), /^orderMessageEnable=true$/m)
  t.equal(await contentOf(disk), '# ours\nlistenPort = 9876\norderMessageEnable=true\nenableTopicList=false\n')
})

t.test('all of an update or nothing', async (t) => {
  const { disk, config } = await running(text)
  await t.rejects(config.update('orderMessageEnable=true\nnoSuchKey=1'), { code: 'MQ_INVALID_ARGUMENT', message: /noSuchKey/ })
  t.equal(config.values.orderMessageEnable, false)
  t.same(await config.update('orderMessageEnable=false'), new Map())
  t.equal(await contentOf(disk), text)
})

t.test('updates at the same time build on each other', async (t) => {
  const { disk, config } = await running(undefined)
  await Promise.allSettled([config.update('orderMessageEnable=true'), config.update('broken=1'), config.update('waitSecondsForService=7')])
  t.equal(config.values.orderMessageEnable, true)
  t.equal(config.values.waitSecondsForService, 7)
  t.equal(await contentOf(disk), 'orderMessageEnable=true\nwaitSecondsForService=7\n')
})

t.test('without a file a change lasts until the end; a file that cannot be written leaves all as it was', async (t) => {
  const kept = new RunningConfig(effectiveConfig('namesrv', {}), new FaultyDisk())
  await kept.update('orderMessageEnable=true')
  t.equal(kept.values.orderMessageEnable, true)
  const { disk, config } = await running(text)
  disk.faults.failAt(2, 'ENOSPC')
  await t.rejects(config.update('orderMessageEnable=true'), { code: 'MQ_IO', message: /namesrv\.conf/ })
  t.equal(config.values.orderMessageEnable, false)
  t.equal(await contentOf(disk), text)
})
