import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildJava, hasJava, javaVersions } from './java-build.ts'
import { JavaDriver } from './java-driver.ts'
import { oldTopicSnippets, ownSnippets, snippets } from './java-snippets.ts'
import { commands } from './mqadmin-commands.ts'
import { makeOldTopics } from './old-topics.ts'
import { popSnippets } from './pop-snippets.ts'
import { timedSnippets } from './timed-snippets.ts'
import { freePorts, startApache, startLedgermq } from './servers.ts'

/**
 * Apache's Java client and mqadmin, two generations, against one server of ours. `INTEROP_TARGET=apache` runs the same against Apache's
 * own servers: what holds there is what the snippets may ask for. `INTEROP_ONLY=a,b` picks some, `INTEROP_JAVA=4.9.8` one version.
 */
const againstApache = process.env['INTEROP_TARGET'] === 'apache'
const only = process.env['INTEROP_ONLY']?.split(',')
const wanted = <Named extends { readonly name: string }>(all: readonly Named[]): readonly Named[] => all.filter(({ name }) => only === undefined || only.includes(name))
const versions = javaVersions.filter((version) => process.env['INTEROP_JAVA'] === undefined || process.env['INTEROP_JAVA'] === version)

t.setTimeout(540_000)

if (!hasJava()) {
  t.pass('Java interop', { skip: 'no mvn or no JDK here' })
} else {
  const folder = await mkdtemp(join(tmpdir(), 'ledgermq-interop-'))
  // without a logging configuration in its home the 4.9 tool does not start
  await mkdir(join(folder, 'conf'))
  await writeFile(join(folder, 'conf', 'logback_tools.xml'), '<configuration><root level="OFF"/></configuration>')
  // data of ours: Apache's servers have none
  const wantedSnippets = wanted(againstApache ? snippets : [...snippets, ...ownSnippets, ...timedSnippets, ...popSnippets, ...oldTopicSnippets])
  if (!againstApache) await makeOldTopics(join(folder, 'data'), versions.flatMap((version) => oldTopicSnippets.map(({ name }) => nameIn(version, name))))
  const ports = await freePorts()
  const properties = { enablePropertyFilter: true, traceTopicEnable: true }
  const server = againstApache ? await startApache({ classpath: buildJava(javaVersions[0]), folder, ports, properties }) : await startLedgermq(folder, ports, properties)
  t.teardown(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  for (const version of versions) {
    await t.test(`Java client ${version}`, async (t) => {
      const java = new JavaDriver({ classpath: buildJava(version), namesrv: server.namesrv, home: folder })
      try {
        await java.call('cluster.ready')
        t.jobs = wantedSnippets.length
        // all at the same time: most of them wait for something
        await Promise.all(wantedSnippets.map(({ name, does, run }) => t.test(`${name}: ${does}`, { buffered: true }, (t) => told(t, run(t, java, nameIn(version, name))))))
        const context = { java, server, version, topic: nameIn(version, 'mqadmin'), group: nameIn(version, 'mqadmin-group') }
        for (const { name, does, run } of wanted(commands)) {
          await t.test(`mqadmin ${name}: ${does}`, (t) => told(t, run(t, context)))
        }
      } finally {
        await java.close()
      }
    })
  }
}

/** Names of topics and groups, which the two generations do not share. */
function nameIn (version: string, name: string): string {
  return `v${version.replaceAll('.', '')}-${name}`
}

/** What went wrong in Java, in the result itself. */
async function told (t: Test, running: Promise<void>): Promise<void> {
  await running.catch((error: Error) => { t.fail(error.message) })
}
