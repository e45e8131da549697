import neostandard from 'neostandard'

/** What only adapters may touch: the rest of lib/ is given a clock, a random source, a disk, a kv and a transport. */
const impureGlobals = ['Date', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process', 'performance']
  .map((name) => ({ name, message: 'core code is given {clock, random, disk, kv, transport}; only adapters touch the machine' }))
const impureModules = ['node:fs', 'node:fs/promises', 'node:net', 'node:tls', 'node:timers', 'node:timers/promises', 'node:child_process', 'node:os', 'node:perf_hooks', 'fs', 'net', 'os']
const impureProperties = [
  { object: 'Math', property: 'random', message: 'use the Random port' },
  { object: 'Date', property: 'now', message: 'use the Clock port' }
]

export default [
  ...neostandard({ ts: true, ignores: ['dist/', 'build/', '.tap/', 'bench/results/'] }),
  { rules: { 'no-redeclare': 'off', '@typescript-eslint/no-redeclare': 'off' } },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/adapters/**', 'lib/cli/**'],
    rules: {
      'no-restricted-globals': ['error', ...impureGlobals],
      'no-restricted-imports': ['error', { paths: impureModules.map((name) => ({ name, message: 'only lib/adapters and lib/cli touch the machine' })) }],
      'no-restricted-properties': ['error', ...impureProperties]
    }
  },
  {
    files: ['lib/raft/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: 'raft/ is pure' }] }] }
  }
]
