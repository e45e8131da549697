import { fileURLToPath } from 'node:url'

/**
 * Arguments with which node runs a source file as a child process, from any folder: what scripts/test has compiled, else the
 * source itself.
 * @param path from the root of the repository, as `lib/cli/main.ts`
 */
export function childProgram (path: string): string[] {
  const compiled = process.env.LEDGERMQ_COMPILED
  return compiled === undefined
    ? ['--import', import.meta.resolve('tsx'), fileURLToPath(new URL(`../../${path}`, import.meta.url))]
    : [`${compiled}/${path.replace(/\.ts$/, '.js')}`]
}
