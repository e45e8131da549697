import { spawn, spawnSync } from 'node:child_process'
import { connect, createServer, type AddressInfo } from 'node:net'

/** Runs `body` beside a redis-server of its own that syncs its file before it answers; undefined when there is no redis-server. */
export async function withRedis<T> (folder: string, body: (port: number) => Promise<T>): Promise<T | undefined> {
  if (spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined
  const port = await freePort()
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''], { stdio: 'ignore' })
  const kill = (): void => { server.kill('SIGKILL') }
  process.prependOnceListener('exit', kill)
  const ended = new Promise((resolve) => server.once('close', resolve))
  try {
    for (let tries = 0; !await answers(port); tries++) {
      if (tries === 100) throw new Error('redis-server does not answer')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return await body(port)
  } finally {
    server.kill('SIGTERM')
    await ended
    process.off('exit', kill)
  }
}

function answers (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}

function freePort (): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
