import t from 'tap'
import { createLogger, lineText } from '../../lib/cli/logger.ts'

/** What is printed on stderr while `act` runs. */
function printed (act: () => void): string {
  const { write } = process.stderr
  let text = ''
  process.stderr.write = ((piece: string) => {
    text += piece
    return true
  }) as typeof write
  try {
    act()
  } finally {
    process.stderr.write = write
  }
  return text
}

t.test('an event is one line, whatever clients put into it', async (t) => {
  t.equal(lineText({ level: 'info', time: 'T', msg: 'topic made', topic: 'a b', queues: 8, by: '', list: [1, 2] }), 'T INFO  topic made topic="a b" queues=8 by="" list=[1,2]\n')
  t.equal(lineText({ level: 'warn', time: 'T', msg: 'one\ntwo', topic: 'x\u001b[2Jy\r\nz' }), 'T WARN  one | two topic="x\\u001b[2Jy\\r\\nz"\n')
})

t.test('secrets are not in it', async (t) => {
  for (const format of ['text', 'json'] as const) {
    const text = printed(() => {
      const logger = createLogger(format)
      logger.info('told', { password: 'sesame', user: { secretKey: 'sesame', name: 'ann' }, 'tls.server.keyPassword': 'sesame' })
      logger.error('failed', { error: new Error('no', { cause: new Error('way') }) })
      logger.debug('not shown')
    })
    t.notMatch(text, 'sesame')
    t.match(text, 'ann')
    t.match(text, 'no: way')
    t.equal(text.split('\n').length, 3)
  }
})
