import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))
const project = join(repositoryRoot, 'spec', 'interop', 'java')
const sources = join(project, 'src', 'main')

/** Client versions that are driven; of the first one the servers are there too. */
export const javaVersions = ['5.3.3', '4.9.8'] as const
export type JavaVersion = typeof javaVersions[number]

/** The first run fetches some 100 MB. */
const MAVEN_LIMIT_MS = 15 * 60_000

/** Whether Maven and a JDK are there. */
export function hasJava (): boolean {
  const answers = (program: string): boolean => spawnSync(program, ['-version'], { stdio: 'ignore' }).status === 0
  return answers('mvn') && answers('javac') && answers('java')
}

/**
 * Compiles the driver against one version and returns the class path to run it with. What was built before from the same sources is
 * used again; packages come from the local repository where they are there, else from the registry.
 * @throws Error Maven failed; it has said why on standard error
 */
export function buildJava (version: JavaVersion): string {
  const folder = join(repositoryRoot, 'build', 'interop', version)
  const list = join(folder, 'classpath')
  const classes = join(folder, 'classes')
  if (!existsSync(list) || newest(sources, join(project, 'pom.xml')) > statSync(list).mtimeMs) {
    const profile = version === javaVersions[0] ? ['-Pservers'] : []
    const goals = ['-B', '-q', `-Drocketmq.version=${version}`, ...profile, 'compile', 'dependency:build-classpath', `-Dmdep.outputFile=${list}`]
    const maven = (...args: string[]): boolean => spawnSync('mvn', [...args, ...goals], { cwd: project, stdio: ['ignore', 2, 2], timeout: MAVEN_LIMIT_MS, env: { ...process.env, MAVEN_OPTS: '-XX:TieredStopAtLevel=1' } }).status === 0
    if (!maven('-o', '--log-file', '/dev/null') && !maven()) throw new Error(`Maven could not build the driver for ${version}`)
  }
  return `${classes}:${readFileSync(list, 'utf8').trim()}`
}

function newest (...paths: string[]): number {
  return Math.max(...paths.map((path) => {
    const { mtimeMs } = statSync(path)
    return statSync(path).isDirectory() ? Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name)))) : mtimeMs
  }))
}
