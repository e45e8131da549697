import neostandard from 'neostandard'

/** What only adapters may touch: the rest of lib/ is given a clock, a random source, a disk, a kv and a transport. */
const impureGlobals = ['Date', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process', 'performance', 'crypto', 'console', 'fetch', 'globalThis']
  .map((name) => ({ name, message: 'core code is given {clock, random, disk, kv, transport, logger}; only adapters touch the machine' }))
const impureProperties = [
  { object: 'Math', property: 'random', message: 'use the Random port' },
  { object: 'AbortSignal', property: 'timeout', message: 'use the Clock port' }
]
/** Modules of Node.js without clock, chance or I/O of their own. */
const pureModules = ['path', 'events', 'buffer', 'util', 'stream', 'zlib', 'diagnostics_channel', 'string_decoder', 'assert', 'async_hooks']
const barePrefixless = ['fs', 'fs/promises', 'net', 'tls', 'os', 'timers', 'timers/promises', 'child_process', 'worker_threads', 'perf_hooks', 'crypto', 'process', 'http']

export default [
  ...neostandard({ ts: true, ignores: ['dist/', 'build/', '.tap/', 'bench/results/'] }),
  { rules: { 'no-redeclare': 'off', '@typescript-eslint/no-redeclare': 'off' } },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/adapters/**', 'lib/cli/**'],
    rules: {
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-imports': ['error', {
        paths: barePrefixless.map((name) => ({ name, message: 'only lib/adapters and lib/cli touch the machine' })),
        patterns: [{ group: ['node:*', ...pureModules.map((name) => `!node:${name}`)], message: 'only lib/adapters and lib/cli touch the machine' }]
      }],
      'no-restricted-properties': ['error', ...impureProperties]
    }
  },
  {
    files: ['lib/raft/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['node:*', ...barePrefixless], message: 'raft/ is pure' }] }] }
  }
]
