import { describeDatabase } from '../store/database.ts'
import { migrate } from '../store/migrations.ts'
import { demandSessions } from '../store/pooling.ts'
import { commandConfig } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { print, printError } from './output.ts'

/** Brings the schema up to date. */
export async function runMigrate(): Promise<void> {
  const config = commandConfig()
  if (config.databaseUrl === null) {
    throw new CommandError(EXIT.config, "migrate needs DATABASE_URL; 'confirmd start' migrates by itself")
  }
  const where = describeDatabase(config.databaseUrl)
  await demandSessions(config.databaseUrl)
  const ran = await migrate(config.databaseUrl, { schema: config.databaseSchema, say: printError })
  print(ran.length > 0 ? `${where}: ran ${ran.join(', ')}` : `${where}: the schema is up to date`)
}
