import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Role } from '../runnable.ts'
import { packageVersion } from '../version.ts'
import { runCommand } from './context.ts'
import { EXIT } from './exit.ts'

const EXIT_CODES = `
Exit codes: ${EXIT.done} done; ${EXIT.failed} failed, not found, or doctor found a failure; ${EXIT.usage} used wrongly; ${EXIT.config} the configuration is wrong.`

const JSON_OPTION = ['--json', 'one JSON document, for scripts'] as const

/** Each command loads what it needs when it is used, and nothing of the others. */
export function createProgram(): Command {
  const program = new Command('confirmd')
    .description(
      'Makes a database agree with the blockchain. Settings come from the environment; see the README.',
    )
    .version(packageVersion())
    .addHelpText('after', EXIT_CODES)
    .exitOverride(endOfUse)
  addRole(program, 'start', 'everything in one process')
  addRole(program, 'api', 'the HTTP API')
  addRole(program, 'worker', 'checks transactions; run as many as needed')
  addLooking(program)
  addDoing(program)
  addWriting(program)
  addParked(program)
  addKeeping(program)
  addChain(program)
  addAnnounce(program)
  return program
}

function addRole(program: Command, role: Role, description: string): void {
  program
    .command(role)
    .description(description)
    .action(() =>
      runCommand(role, async () => {
        const { runRole } = await import('./run-role.ts')
        await runRole(role)
      }),
    )
}

function addLooking(program: Command): void {
  program
    .command('status')
    .description('how it is doing, on one screen')
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      runCommand('status', async () => (await import('./status.ts')).status(options)),
    )
  program
    .command('watch')
    .description(
      'the status, drawn anew each second; where there is no terminal, each outcome as it is decided',
    )
    .option('--json', 'a line of JSON for each outcome, also on a terminal')
    .action((options: { json?: boolean }) =>
      runCommand('watch', async () => (await import('./watch.ts')).watch(options)),
    )
  program
    .command('tx')
    .description('everything about a transaction: its state, the looks at it, its events')
    .argument('<hash|id>', 'a hash that several chains or kinds know shows all of them')
    .option(...JSON_OPTION)
    .action((name: string, options: { json?: boolean }) =>
      runCommand('tx', async () => (await import('./tx.ts')).showTransaction(name, options)),
    )
  program
    .command('doctor')
    .description(
      'checks settings, database, broker, nodes and handlers, and says what to do; changes nothing',
    )
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      runCommand('doctor', async () => (await import('./doctor.ts')).doctor(options)),
    )
}

function addDoing(program: Command): void {
  program
    .command('recheck')
    .description('looks at transactions again, from the start')
    .argument('[id|hash...]', 'which')
    .addOption(
      new Option('--status <status>', 'all in this state').choices(['stalled', 'expired', 'replaced']),
    )
    .option('--parked', 'all that are set aside')
    .option('--yes', 'does not ask')
    .option(...JSON_OPTION)
    .action((names: string[], options: object) =>
      runCommand('recheck', async () => (await import('./recheck.ts')).recheck(names, options)),
    )
}

function addWriting(program: Command): void {
  program
    .command('write')
    .description('runs the business write, once, of transactions that were settled without one')
    .argument('[id|hash...]', 'which')
    .option('--kind <kind>', 'all of this kind')
    .option('--unknown', 'also those of which is not recorded whether it ran, as version 0.1 settled them')
    .option('--yes', 'does not ask')
    .option(...JSON_OPTION)
    .action((names: string[], options: object) =>
      runCommand('write', async () => (await import('./write.ts')).write(names, options)),
    )
}

function addChain(program: Command): void {
  const chain = program.command('chain').description('what the names of chains mean in this database')
  chain
    .command('list')
    .description('each with its chain id, and the block by which nodes show that they are on it')
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      runCommand('chain list', async () => (await import('./chain.ts')).showChains(options)),
    )
  chain
    .command('forget')
    .description('unbinds a name whose chain was begun anew, as development chains are')
    .argument('<name>', 'as in CHAIN')
    .action((name: string) =>
      runCommand('chain forget', async () => (await import('./chain.ts')).forget(name)),
    )
}

function addAnnounce(program: Command): void {
  program
    .command('announce')
    .description('tells the exchange of events that are kept, again or for the first time')
    .requiredOption('--after <sequence>', 'those after this number of the feed; 0 for all', readSequence)
    .action((options: { after: number }) =>
      runCommand('announce', async () => (await import('./announce.ts')).announce(options)),
    )
}

function readSequence(text: string): number {
  if (/^[0-9]{1,16}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be the sequence of an event, a whole number, or 0.')
}

function addParked(program: Command): void {
  const parked = program.command('parked').description('messages and transactions that are set aside')
  parked
    .command('list')
    .description('shows them; all stay where they are')
    .option('--limit <n>', 'most that are shown of each', readLimit, 50)
    .option(...JSON_OPTION)
    .action((options: { limit: number; json?: boolean }) =>
      runCommand('parked list', async () => (await import('./parked.ts')).listParked(options)),
    )
  const which = 'so many from the head, or the id of a message or transaction, or a hash'
  parked
    .command('requeue')
    .description('has them checked again')
    .argument('[n|id|hash]', which)
    .option('--all', 'all of them')
    .option(...JSON_OPTION)
    .action((what: string | undefined, options: object) =>
      runCommand('parked requeue', async () => (await import('./parked.ts')).requeueParked(what, options)),
    )
  parked
    .command('drop')
    .description('takes messages away, and prints what they were')
    .argument('[n|id|hash]', which)
    .option('--all', 'all of them')
    .option('--yes', 'does not ask')
    .option(...JSON_OPTION)
    .action((what: string | undefined, options: object) =>
      runCommand('parked drop', async () => (await import('./parked.ts')).dropParked(what, options)),
    )
}

function addKeeping(program: Command): void {
  program
    .command('migrate')
    .description('brings the database schema up to date')
    .action(() => runCommand('migrate', async () => (await import('./migrate.ts')).runMigrate()))
  program
    .command('prune')
    .description(
      'deletes transactions that were settled long ago; a pruned hash is unknown, so registering it again runs its business write again',
    )
    .requiredOption('--older-than <age>', 'settled before so long: 90d, 12h, 30m')
    .option('--chain <name>', 'of this chain; of the configured CHAIN if left out. Needs no node')
    .option('--dry-run', 'only says how many there are')
    .action((options: { olderThan: string; chain?: string; dryRun?: boolean }) =>
      runCommand('prune', async () => (await import('./prune.ts')).runPrune(options)),
    )
  program
    .command('key')
    .description('keys of the API')
    .command('create')
    .description('makes a key and the entry for API_KEYS; the key itself is stored nowhere')
    .option('--name <name>', 'whose key it is, shown in logs; random if not given')
    .action((options: { name?: string }) =>
      runCommand('key create', async () => (await import('./key-create.ts')).createKey(options)),
    )
}

function readLimit(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, 1 or more.')
  return Number(text)
}

/** Help and version are done; all else that commander ends with is wrong use. It has said what. */
function endOfUse({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? EXIT.done : EXIT.usage)
}
