import { compiledPath } from './compiled.ts'
import { run } from './run.ts'

export interface SpecVerdict {
  readonly passed: boolean
  /** The first assertion that did not hold; undefined where the spec passed, or failed for another reason. */
  readonly failedAssertion: string | undefined
}

/** Runs a spec file that is compiled in `directory`, beside its lib/. */
export async function judge (directory: string, spec: string): Promise<SpecVerdict> {
  const { output, code } = await run([`${directory}/${compiledPath(spec)}`])
  return { passed: code === 0, failedAssertion: code === 0 ? undefined : failedAssertion(output) }
}

/** The first assertion that failed in what a spec has printed (TAP): not a test that threw, or ran out of time, nor a file that could not be loaded. */
export function failedAssertion (tap: string): string | undefined {
  for (const [, indent, name, facts] of tap.matchAll(/^( *)not ok \d+ - (.*)\n\1 {2}---\n([^]*?)\n\1 {2}\.\.\.$/gm)) {
    const isTest = / # time=/.test(name!)
    if (!isTest && !new RegExp(`^${indent} {2}(tapCaught|expired):`, 'm').test(facts!)) return name
  }
  return undefined
}
