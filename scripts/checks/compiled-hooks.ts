import { readFile } from 'node:fs/promises'
import type { LoadHook, ResolveHook } from 'node:module'

/** The repository's root, seen from where this file is when it is compiled: build/sources/scripts/checks. */
const root = new URL('../../../../', import.meta.url).href
const compiled = new URL('../../', import.meta.url).href
const isSource = (url: string | undefined): boolean => url !== undefined && url.startsWith(root) && url.endsWith('.ts') && !url.includes('/node_modules/')

/** Compiled text names a neighbour as `./x.js`; here it is found as the source it came from. */
export const resolve: ResolveHook = (specifier, context, nextResolve) => {
  if (specifier === 'async-hook-domain') return { url: new URL('plain-domain.js', import.meta.url).href, format: 'module', shortCircuit: true }
  return nextResolve(/^\.\.?\/.*\.js$/.test(specifier) && isSource(context.parentURL) ? `${specifier.slice(0, -2)}ts` : specifier, context)
}

export const load: LoadHook = async (url, context, nextLoad) => isSource(url)
  ? { format: 'module', shortCircuit: true, source: await readFile(new URL(`${url.slice(root.length, -2)}js`, compiled)) }
  : nextLoad(url, context)
