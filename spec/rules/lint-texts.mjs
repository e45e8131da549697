// Reads [{filePath, code}] as JSON from standard input, lints each text as if it were that file, and prints the names of
// the rules broken, as a JSON list of lists. Plain JavaScript in a process of its own: a TypeScript loader in the process
// would get in the way of eslint's configuration.
import { ESLint } from 'eslint'
import { text } from 'node:stream/consumers'

const eslint = new ESLint()
const results = []
for (const { filePath, code } of JSON.parse(await text(process.stdin))) {
  const [result] = await eslint.lintText(code + '\n', { filePath })
  results.push((result?.messages ?? []).map((message) => message.ruleId ?? message.message))
}
console.log(JSON.stringify(results))
