import { existsSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { NodeClock, NodeSockets } from '../../lib/adapters/index.ts'
import { RemotingClient, RequestCode } from '../../lib/remoting/index.ts'
import { CommandChild, ended, fileWith } from './command-child.ts'

function client (t: Test): RemotingClient {
  const client = new RemotingClient({ clock: new NodeClock(), network: new NodeSockets() })
  t.teardown(() => client.close())
  return client
}

t.test('a name server answers when it says so, takes changes into its file, and stops when told', async (t) => {
  const file = fileWith(t, 'namesrv.properties', '# of a spec\nlistenPort=0\nroutInfoPathExpiredTime=5\n')
  const child = new CommandChild(t, ['namesrv', '-c', file])
  const address = await child.address('name server')
  t.match(await child.ready(), /ready after \d+ ms with \d+ MiB/)
  t.match(child.stderr, /WARN {2}\S+namesrv\.properties:3: routInfoPathExpiredTime is not a known setting; is routeInfoPathExpiredTime meant\?\n/)

  const asked = await client(t).invoke(address, { code: RequestCode.GET_BROKER_CLUSTER_INFO })
  t.same(JSON.parse(Buffer.from(asked.body).toString()), { brokerAddrTable: {}, clusterAddrTable: {} })
  const updated = await client(t).invoke(address, { code: RequestCode.UPDATE_NAMESRV_CONFIG, body: Buffer.from('routeInfoPathExpiredTime=60000') })
  t.equal(updated.code, 0, updated.remark ?? '')
  t.equal(readFileSync(file, 'utf8'), '# of a spec\nlistenPort=0\nroutInfoPathExpiredTime=5\nrouteInfoPathExpiredTime=60000\n')

  const { status, stderr } = await child.stop('SIGTERM')
  t.equal(status, 0, stderr)
  t.match(stderr.trimEnd().split('\n').slice(-2), [/INFO {2}stopping.* signal=SIGTERM$/, /INFO {2}stopped$/])
})

t.test('a second signal ends it at once, whatever is under way', async (t) => {
  const child = new CommandChild(t, ['namesrv', '-c', fileWith(t, 'namesrv.properties', 'listenPort=0\n')])
  // a connection keeps it for a moment
  await client(t).invoke(await child.address('name server'), { code: RequestCode.GET_BROKER_CLUSTER_INFO })
  const { status } = await child.stop('SIGINT', 'SIGTERM')
  t.ok(status === 128 + 2 || status === 128 + 15, `status ${status}: of whichever came second`)
})

t.test('a port in use: one line that names the port and who has it', async (t) => {
  const first = new CommandChild(t, ['namesrv', '-c', fileWith(t, 'namesrv.properties', 'listenPort=0\n')])
  const port = (await first.address('name server')).split(':')[1]!
  const second = await ended(t, 'namesrv', '-c', fileWith(t, 'second.properties', `listenPort=${port}\n`))
  t.equal(second.status, 1)
  t.match(second.stderr, new RegExp(`^ledgermq: the name server cannot listen on 127\\.0\\.0\\.1:${port}: port ${port} is in use by [^\\n]+\\n$`))
  if (existsSync('/proc/net/tcp')) t.match(second.stderr, `process ${first.pid} (`)
  t.equal(second.stdout, '')
})

t.test('what cannot be read, and what is wrong in a file', async (t) => {
  const missing = await ended(t, 'namesrv', '-c', 'nowhere.properties')
  t.equal(missing.status, 1)
  t.equal(missing.stderr, 'ledgermq: the configuration file nowhere.properties cannot be read: there is no such file (ENOENT)\n')

  const file = fileWith(t, 'wrong.properties', 'listenPort=99999\nrouteInfoPathExpiredTime=soon\n')
  const wrong = await ended(t, 'namesrv', '-c', file)
  t.equal(wrong.status, 1)
  t.match(wrong.stderr.split('\n'), [/^ledgermq: \S+wrong\.properties:1: listenPort=99999: expected /, /^ledgermq: \S+wrong\.properties:2: routeInfoPathExpiredTime=soon: expected /, ''])

  const strange = await ended(t, 'namesrv', '--bind', '192.0.2.1')
  t.equal(strange.status, 1)
  t.equal(strange.stderr, 'ledgermq: the name server cannot listen on 192.0.2.1:9876: 192.0.2.1 is no address of this machine\n')

  const half = await ended(t, 'namesrv', '-c', fileWith(t, 'half.properties', 'listenPort=0\ntls.server.certPath=cert.pem\n'))
  t.equal(half.stderr, 'ledgermq: tls.server.certPath and tls.server.keyPath belong together: one of them is not set\n')
})

t.test('-p prints what is in force and where it came from; flags come before the file', async (t) => {
  const tls = fileWith(t, 'tls.properties', 'tls.server.mode=enforcing\ntls.server.keyPassword=sesame\n')
  const file = fileWith(t, 'namesrv.properties', `bindAddress=0.0.0.0\nroute=1\nrouteInfoPathExpiredTime=60000\ntls.config.file=${tls}\n`)
  const { status, stdout } = await ended(t, 'namesrv', '-c', file, '--bind', '127.0.0.1', '-p')
  t.equal(status, 0)
  const row = (key: string): string | undefined => stdout.split('\n').find((line) => line.startsWith(`${key} `))
  t.match(row('bindAddress'), /127\.0\.0\.1 +flag --bind/)
  t.match(row('routeInfoPathExpiredTime'), `${file}:3`)
  t.match(row('tls.server.mode'), /enforcing/)
  t.match(row('listenPort'), /9876 +default/)
  t.notMatch(stdout, 'sesame')
})

t.test('with --log json, events are JSON', async (t) => {
  const child = new CommandChild(t, ['namesrv', '--log', 'json', '-c', fileWith(t, 'namesrv.properties', 'listenPort=0\nroute=1\n')])
  await child.ready()
  const { stderr } = await child.stop('SIGTERM')
  t.match(stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as object), [
    { level: 'warn', pid: child.pid, msg: /route is not a known setting/ },
    { level: 'info', msg: /^stopping/, signal: 'SIGTERM' },
    { level: 'info', msg: 'stopped' }
  ])
})
