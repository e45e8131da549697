import { isMqError } from '../base/index.ts'

/** Something the user of the command line can put right: told in one line, without a stack. */
export class CommandError extends Error {}

/** What to print of a failure: a line, or one for each mistake of a configuration. What nobody foresaw comes with its stack. */
export function failureText (error: unknown): string {
  return failureLines(error).map((line) => `ledgermq: ${line}`).join('\n')
}

function failureLines (error: unknown): readonly string[] {
  if (error instanceof CommandError) return [error.message]
  if (!isMqError(error)) return [error instanceof Error ? error.stack ?? error.message : String(error)]
  return Array.isArray(error.errors) ? error.errors as string[] : [`${error.code}: ${error.message}`]
}

const meanings: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no right to',
  EPERM: 'no right to',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory'
}

/** The system's error code in words. */
export function systemErrorText (error: unknown): string {
  const { code, message } = error as { code?: string, message?: string }
  return code === undefined ? String(message) : `${meanings[code] ?? message ?? ''} (${code})`.trim()
}
