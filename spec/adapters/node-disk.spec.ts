import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { NodeDisk } from '../../lib/adapters/index.ts'

declare const WebAssembly: { Memory: unknown }

t.test('where addresses are limited, writes through work with memory that is not aligned', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ledgermq-disk-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const { Memory } = WebAssembly
  t.teardown(() => { WebAssembly.Memory = Memory })
  WebAssembly.Memory = function () { throw new RangeError('WebAssembly.Memory(): could not allocate memory') }
  const disk = new NodeDisk()
  const bytes = disk.alignedMemory(3 * disk.alignBytes).fill(7)
  const file = await disk.open(join(directory, 'f'), { create: true })
  await file.writeThrough(bytes, 0)
  file.writeThroughNow(bytes.subarray(0, disk.alignBytes).fill(8), disk.alignBytes)
  await file.close()
  const found = (await disk.readFile(join(directory, 'f')))!
  t.equal(found.length, bytes.length)
  t.ok(found.every((byte, i) => byte === (Math.floor(i / disk.alignBytes) === 1 ? 8 : 7)))
})
