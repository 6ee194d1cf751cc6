/** What the doctor finds: what it is, why it matters, and how it is mended. */
export type FindingText = readonly [what: string, why: string, mend: string];

/** By the finding's id, with {name} for its parameters; docs/doctor.md has the same in English. */
export const de: Record<string, FindingText> = {
  "signing-key-short": [
    "Ein Schlüssel, der Token signiert, hat {bytes} Bytes; HS256 verlangt mindestens 32.",
    "Wer ein Token hat, kann Schlüssel so schnell durchprobieren, wie die eigene Maschine es erlaubt, und sich mit dem richtigen als jeder anmelden.",
    "Auf einen neuen Schlüssel wechseln; mit dem alten signierte Token gelten, bis sie ablaufen.",
  ],
  "signing-key-guessable": [
    "Der Signierschlüssel sieht aus, als hätte ihn sich jemand ausgedacht oder eine Vorlage ihn mitgebracht.",
    "Solche Schlüssel stehen in den Listen, mit denen Angreifer beginnen; mit dem Schlüssel meldet man sich als jeder an.",
    "Auf einen zufälligen Schlüssel wechseln. Wenn Django ihn teilt, auch dort.",
  ],
  "signing-key-old": [
    "Der Signierschlüssel ist seit {days} Tagen in Gebrauch, und kein Zeitplan wechselt ihn.",
    "Je länger ein Schlüssel signiert, desto mehr Kopien von ihm gibt es, in Sicherungen und in Händen.",
    "Latchkey den eigenen Schlüssel nach Zeitplan wechseln lassen, oder einen eigenen signing.key einmal im Jahr wechseln.",
  ],
  "keys-unsealed": [
    "{count} der Signierschlüssel in PostgreSQL sind nicht versiegelt.",
    "Wer die Datenbank, eine Sicherung oder eine Replik liest, kann Token für jeden signieren.",
    "Einmal einen Siegelschlüssel machen, ihn getrennt von der Datenbank aufbewahren und jeden Knoten bei jedem Start denselben lesen lassen (keys.seal_key_file): Mit einem anderen kann er seine Schlüssel nicht lesen. Beim nächsten Start werden die gespeicherten versiegelt.",
  ],
  "keys-unsealed-file": [
    "{count} der Signierschlüssel in der Datenbank sind nicht versiegelt.",
    "Wer die Datei oder eine Kopie bekommt, kann Token für jeden signieren.",
    "Einmal einen Siegelschlüssel machen, ihn getrennt vom Datenordner und dessen Sicherungen aufbewahren und den Server bei jedem Start lesen lassen (keys.seal_key_file): Mit einem anderen kann er seine Schlüssel nicht lesen.",
  ],
  "seal-key-weak": [
    "keys.seal_key sieht nicht zufällig aus.",
    "Ein Siegelschlüssel, den man erraten kann, versiegelt nichts.",
    "Einen zufälligen machen und die Schlüssel darunter bringen, die der alte versiegelt hat; docs/keys.md sagt, wie.",
  ],
  "secret-file-open": [
    "Andere auf dieser Maschine können {files} lesen oder ändern.",
    "In der Datei steht ein Geheimnis, das alles öffnet.",
    "Sie dem Benutzer überlassen, unter dem Latchkey läuft, und höchstens seiner Gruppe. Was nur lesbar eingehängt ist, bekommt seinen Modus dort, wo es herkommt.",
  ],
  "secret-mount-open": [
    "Jeder Benutzer in diesem Container kann {files} lesen.",
    "Was sonst hier läuft, unter welchem Benutzer auch immer, hat ein Geheimnis, das alles öffnet.",
    "Beim Einhängen nur der Gruppe des Servers geben: defaultMode und fsGroup in Kubernetes, mode und gid des Geheimnisses in einer Compose-Datei.",
  ],
  "database-password-flag": [
    "Das Passwort der Datenbank steht in der Befehlszeile.",
    "Jeder Benutzer der Maschine kann Befehlszeilen lesen.",
    "Es durch PGPASSWORD, eine Datei .pgpass oder LATCHKEY_DATABASE geben.",
  ],
  "service-keys-old": [
    "{count} Dienstschlüssel sind älter als ein Jahr: {ids}.",
    "Ein Schlüssel, den so lange niemand gewechselt hat, liegt vielleicht an Orten, die niemand mehr kennt.",
    "Für den Dienst einen neuen machen, dann den alten sperren.",
  ],

  "registration-roles": [
    "Jeder kann sich als {roles} registrieren.",
    "Wer die Adresse kennt, macht sich selbst zum Verwalter und hat alle Konten.",
    "Nur Rollen lassen, die keine fremden Konten sehen; die anderen geben Verwalter.",
  ],
  "throttle-off": [
    "throttle.enabled ist false.",
    "Passwörter lassen sich ohne Grenze durchprobieren, und jeder Versuch kostet diese Maschine einen Hash.",
    "Einschalten.",
  ],
  "throttle-loose": [
    "Die Grenzen für Versuche sind weiter gestellt als üblich: {settings}.",
    "So lassen sich mehr Passwörter und mehr Adressen probieren, ehe jemand aufgehalten wird.",
    "Zu den Vorgaben zurück; bekannte Geräte und Sitzungen zählen für sich, also stören Menschen einander selten.",
  ],
  "log-quiet": [
    "log.level ist {level}: Anfragen hinterlassen keine Zeile.",
    "Von abgewiesenen, gebremsten und geprüften Anfragen zeugt nur ihre Zeile; was das Protokoll nicht hat, ist verloren.",
    "Zu info zurück.",
  ],
  "django-settings-left": [
    "django.settings ist gesetzt, und seit {days} Tagen wurde nichts von Django übernommen: Jedes Token, das es vorher ausgestellt hat, ist abgelaufen.",
    "Solange es gesetzt ist, gelten Token, die dieser Server nicht ausgestellt hat, und wer den Schlüssel des Django hat, kann sie ausstellen.",
    "Geht niemand mehr zu Django zurück: herausnehmen und den Schlüssel wechseln.",
  ],
  "breach-none": [
    "Weder password.filter noch password.range_url ist gesetzt.",
    "Menschen wählen Passwörter, die anderswo schon erbeutet wurden, und die probieren Angreifer zuerst.",
    "Einen Filter aus der veröffentlichten Liste bauen oder eine Range-API fragen lassen.",
  ],
  "breach-filter-unusable": [
    "password.filter ist nicht zu gebrauchen: {problem}.",
    "Damit startet der Server nicht.",
    "Neu bauen oder den Pfad berichtigen.",
  ],
  "breach-filter-old": [
    "Der Filter der erbeuteten Passwörter ist {days} Tage alt.",
    "Was seither erbeutet wurde, steht nicht darin.",
    "Aus der aktuellen Liste neu bauen; der Server nimmt die neue Datei beim nächsten Start.",
  ],
  "breach-range-passes": [
    "Solange die Range-API nicht zu fragen ist, geht jedes Passwort durch: password.unknown ist accept, und es gibt keinen Filter.",
    "Wer den Server von ihr fernhält oder ihren Ausfall abwartet, bekommt ein erbeutetes Passwort durch.",
    "Einen Filter danebenstellen, der auf dieser Maschine gelesen wird, oder abweisen, was nicht nachgeschlagen werden konnte.",
  ],
  "https-unserved": [
    "public_url ist https, aber es gibt kein tls.cert, und kein Proxy ist genannt.",
    "Browser sollen nur per TLS kommen (Strict-Transport-Security), und Cookies sind Secure: Ohne TLS davor meldet sich niemand per Cookie an, und hinter einem Proxy, der nicht genannt ist, zählen alle Clients als einer.",
    "Den Proxy nennen, der das Zertifikat hat, oder diesem Server eines geben.",
  ],
  "connections-files": [
    "limits.connections ist {connections}, aber der Prozess darf nur {files} Dateien und Verbindungen offen haben.",
    "Er nimmt weniger Verbindungen an, als eingestellt ist; darüber hinaus werden wartende geschlossen.",
    "Die Grenze der offenen Dateien anheben oder limits.connections senken, damit man weiß, was gilt.",
  ],
  "reuse-tolerant": [
    "tokens.reuse ist tolerant.",
    "Ein gestohlenes Refresh-Token kann eine Weile neben seinem Besitzer leben, ohne dass es auffällt.",
    "Den Client das neue Refresh-Token jeder Erneuerung behalten lassen, dann strict setzen, oder grace für einen, der gleichzeitig erneuert.",
  ],
  "django-upstream-idle": [
    "Nach unbekannten E-Mail-Adressen wird {value} gefragt, und seit {days} Tagen wurde niemand mehr übernommen.",
    "Wer noch fehlt, kommt wohl nicht mehr, und bis zum Ausschalten geht jedes Passwort zu einer falschen Adresse an einen anderen Server.",
    "Die Übrigen mit latchkey django import übernehmen, dann django.upstream weglassen.",
  ],
  "django-upstream": [
    "Wer hier nicht bekannt ist, nach dem wird {value} gefragt: das Passwort geht dorthin.",
    "Gedacht ist es für die Wochen nach einem Wechsel. Bis dahin dauern abgelehnte Anmeldungen so lange wie dort, und solange jener Server fehlt, heißt es: später wieder.",
    "Weglassen, wenn nur noch wenige kommen.",
  ],
  "django-upstream-plain": [
    "Passwörter gehen unverschlüsselt an {value}.",
    "Wer den Verkehr dieser Maschine liest oder jenen Port nimmt, während Django fehlt, liest sie mit.",
    "Django ein Zertifikat geben, oder ihm den Port freihalten und dies bald ausschalten.",
  ],
  "access-long": [
    "Access-Token leben {value}.",
    "Ihre anderen Dienste nehmen ein Token, bis es abläuft, wenn sie den Sperrungen nicht folgen.",
    "Auf Stunden verkürzen; angemeldet bleibt man durch das Refresh-Token.",
  ],
  "refresh-long": [
    "Eine Sitzung kann {value} ruhen und dann weitergehen.",
    "So lange bleibt ein verlorenes oder vergessenes Gerät angemeldet.",
    "Auf das verkürzen, was zwischen zwei Besuchen vergeht.",
  ],
  "session-long": [
    "Eine Sitzung kann {value} lang erneuert werden, ohne neue Anmeldung.",
    "So lange behält sie, wer sie übernommen hat.",
    "Verkürzen; ein Monat ist üblich.",
  ],
  "confirm-off": [
    "sessions.confirm_for ist 0: Was sich nicht zurücknehmen lässt, fragt nie nach dem Passwort.",
    "Wer ein Token gestohlen hat oder vor einem verlassenen Bildschirm sitzt, löscht Konten, erstellt Links für neue Passwörter und sperrt die anderen Geräte des Besitzers aus.",
    "Danach fragen; für sehr Heikles sind fünf Minuten üblich.",
  ],
  "audit-short": [
    "Ereignisse werden {value} aufbewahrt.",
    "Ein Einbruch fällt oft erst nach Wochen auf; dann sagt nichts mehr, wie er geschah.",
    "90 Tage oder länger aufbewahren.",
  ],
  "docs-public": [
    "Die Beschreibung der API ist öffentlich.",
    "Sie sagt nichts, was nicht in der Dokumentation steht, aber auch, welche Software hier läuft.",
    "Wenn niemand draußen sie braucht, weglassen.",
  ],
  "log-debug": [
    "log.level ist debug.",
    "Das ist mehr, als jemand liest, und füllt Platten.",
    "Zu info zurückkehren, sobald gefunden ist, was gesucht wurde.",
  ],
  "admin-none": [
    "Es gibt keinen aktiven Administrator.",
    "Niemand kann sich hier um Konten kümmern oder eines schließen, das missbraucht wird.",
    "Auf der Befehlszeile einen anlegen.",
  ],
  "admin-single": [
    "Es gibt nur einen aktiven Administrator.",
    "Ist diese Person fort oder ausgesperrt, hilft nur, wer an diese Maschine kommt.",
    "Einen zweiten bestimmen.",
  ],
  "admins-idle": [
    "{count} Administratoren haben sich 90 Tage nicht angemeldet: Konto {ids}.",
    "Ein Konto mit allen Rechten, das niemand benutzt, vermisst auch niemand, wenn es übernommen wird.",
    "Deaktivieren, oder eine andere Rolle geben.",
  ],

  "listen-plain": [
    "Der Server hört auf {listen} mit unverschlüsseltem HTTP, und kein Proxy auf einer anderen Maschine ist genannt.",
    "Wer auf dem Weg sitzt, liest Passwörter und Token; an einem Proxy auf dieser Maschine kommt man vorbei.",
    "Ein Zertifikat geben (tls.cert und tls.key), oder auf 127.0.0.1 hinter einem Proxy hören, der eines hat, und ihn nennen.",
  ],
  "public-url-plain": [
    "public_url ist {value}: unverschlüsseltes HTTP.",
    "Links, die Latchkey schreibt, führen an TLS vorbei, und seine Cookies gehen offen über die Leitung.",
    "Die https-Adresse angeben, unter der man den Server erreicht.",
  ],
  "cookies-insecure": [
    "Ein Proxy ist genannt, aber keine public_url mit https; darum sind Cookies nicht Secure.",
    "Ein Browser schickte die Cookies der Sitzung auch über unverschlüsseltes HTTP, an jeden, der mithört.",
    "Sagen, unter welcher https-Adresse man diesen Server erreicht.",
  ],
  "public-url-missing": [
    "public_url ist nicht gesetzt.",
    "Links auf diesen Server entstehen dann aus der Adresse jeder Anfrage, und die wählt der Client.",
    "Sagen, unter welcher Adresse man ihn erreicht.",
  ],
  "hosts-empty": [
    "hosts ist leer: Anfragen werden beantwortet, welchen Namen sie auch nennen.",
    "Die Seite eines Angreifers erreicht einen Server in Ihrem Netz unter einem Namen, der ihm gehört (DNS-Rebinding).",
    "Die Namen aufzählen, unter denen man diesen Server erreicht.",
  ],
  "hosts-lack-public": [
    "In hosts fehlt {host}, der Name aus public_url.",
    "Wer unter dieser Adresse kommt, bekommt 400.",
    "Ihn aufnehmen.",
  ],
  "proxy-anybody": [
    "proxy.trusted enthält {value}: jeder gilt als Proxy.",
    "Ein Client schreibt, welche Adresse er will, in X-Forwarded-For, und keine Grenze nach Adresse hält ihn auf.",
    "Nur die Adressen Ihrer Proxys nennen.",
  ],
  "proxy-broad": [
    "proxy.trusted enthält das große Netz {value}.",
    "Jeder Client darin kann die Adresse wählen, nach der Grenzen und Protokoll gehen.",
    "Die Adressen Ihrer Proxys nennen, oder das kleine Netz, in dem nur sie sind.",
  ],
  "proxy-unknown": [
    "Eine Gegenstelle auf dieser Maschine schickt Forwarded-Header und ist kein genannter Proxy.",
    "Alle ihre Clients zählen als einer und ohne Adresse: keine Grenze nach Adresse hält, und das Protokoll sagt nicht, woher.",
    "Wenn es Ihr Proxy ist, ihn nennen.",
  ],
  "proxy-header": [
    "Über einen genannten Proxy kam {other} und nicht {header}, das gelesen wird.",
    "Schreibt es der Proxy, zählen alle seine Clients als einer: keine Grenze nach Adresse unterscheidet sie, und das Protokoll sagt nicht, woher. Schrieb es ein Client, fehlt nur, dass der Proxy keines von beiden schreibt.",
    "Den Proxy {header} selbst schreiben lassen, an Stelle dessen, was Clients schicken. Wenn er {other} schreibt und keines eines Clients durchlässt, dieses als proxy.header nennen.",
  ],
  "cors-plain": [
    "cors.origins nennt Seiten, die über unverschlüsseltes HTTP kommen: {value}.",
    "Wer auf dem Weg zu so einer Seite sitzt, ändert sie, und sie handelt dann hier als ihr Besucher.",
    "Die Seite über https ausliefern und diese Herkunft nennen.",
  ],
  "cors-local": [
    "cors.origins nennt Seiten auf der Maschine des Besuchers: {value}.",
    "Jedes Programm, das dort eine Seite ausliefert, darf diesen Server aufrufen; so ist es für die Entwicklung voreingestellt.",
    "Stattdessen die Herkunft Ihrer Anwendungen nennen.",
  ],
  "tls-certificate-unusable": [
    "Das Zertifikat ist nicht zu gebrauchen: {problem}.",
    "Der Server startet damit nicht.",
    "tls.cert ({cert}) und tls.key in Ordnung bringen.",
  ],
  "tls-certificate-expired": [
    "Das Zertifikat gilt von {from} bis {until}, und heute ist {today}.",
    "Browser lehnen die Verbindung ab, und wer das wegklickt, tut es auch, wenn es darauf ankommt.",
    "Ein neues an die Stelle von {cert} legen; es gilt eine Sekunde später.",
  ],
  "tls-certificate-expiring": [
    "Das Zertifikat endet in {days} Tagen, am {until}.",
    "Dann lehnen Browser die Verbindung ab.",
    "Ein neues an die Stelle von {cert} legen; es gilt eine Sekunde später. Das nächste Mal von einem Zeitplan.",
  ],
  "tls-certificate-name": [
    "Das Zertifikat ist nicht für {host}, den Namen aus public_url.",
    "Browser lehnen die Verbindung ab.",
    "Ein Zertifikat für diesen Namen holen, oder public_url berichtigen.",
  ],
  "tls-key-weak": [
    "Der Schlüssel des Zertifikats hat {bits} Bit.",
    "Solche Schlüssel lassen sich brechen, und dann liest mit, wer auf dem Weg sitzt.",
    "Ein Zertifikat für einen P-256-Schlüssel holen, oder RSA mit mindestens 2048 Bit.",
  ],
  "tls-key-open": [
    "Andere auf dieser Maschine können {files} lesen oder ändern.",
    "Mit dem Schlüssel kann man sich für diesen Server ausgeben.",
    "Sie dem Benutzer überlassen, unter dem Latchkey läuft, und höchstens seiner Gruppe. Was nur lesbar eingehängt ist, bekommt seinen Modus dort, wo es herkommt.",
  ],

  "database-unreachable": [
    "Die Datenbank antwortet nicht: {problem}.",
    "Niemand kann sich anmelden, und über die Datenbank lässt sich nichts sagen.",
    "Sie starten, oder die Einstellung database berichtigen; dann noch einmal nachsehen.",
  ],
  "schema-newer": [
    "Die Datenbank hat Schema {have}, und dieses Programm kennt bis {want}.",
    "Ein neueres Programm hat sie umgestellt; dieses startet darauf nicht.",
    "Das neuere Programm nehmen.",
  ],
  "schema-older": [
    "Die Datenbank hat Schema {have}, und dieses Programm arbeitet mit {want}.",
    "Was darin ist, lässt sich noch nicht beurteilen. Der nächste Start bringt sie auf den Stand.",
    "Sie bei angehaltenem Server auf den Stand bringen; davor wird eine Kopie gemacht.",
  ],
  "sqlite-unsynced": [
    "SQLite läuft mit journal_mode={journal} und synchronous={sync}.",
    "Fällt der Strom aus, sind die letzten Änderungen verloren: ein gesperrtes Token gilt wieder.",
    "Den Server anhalten und die Datei in den WAL-Modus bringen; auf einem Dateisystem, das ihn nicht kann, den Datenordner verlegen.",
  ],
  "data-open": [
    "Andere auf dieser Maschine kommen an {files}.",
    "Dort liegen Passwort-Hashes, Sitzungen und der Signierschlüssel.",
    "Sie dem Benutzer überlassen, unter dem Latchkey läuft.",
  ],
  "data-network": [
    "Der Datenordner {path} liegt auf einem Netzlaufwerk ({kind}).",
    "SQLites Sperren und sein Journal halten dort nicht: die Datenbank kann zerstört werden, Änderungen gehen verloren.",
    "Auf eine lokale Platte verlegen, oder PostgreSQL nehmen.",
  ],
  "data-temporary": [
    "Der Datenordner {path} liegt im Arbeitsspeicher ({kind}).",
    "Beim nächsten Neustart der Maschine sind alle Konten fort.",
    "Auf eine Platte verlegen.",
  ],
  "data-container": [
    "Der Datenordner {path} liegt in der eigenen Schicht des Containers ({kind}).",
    "Mit dem Container sind alle Konten fort.",
    "Dort ein Volume einhängen.",
  ],
  "disk-full": [
    "Wo der Datenordner liegt, sind noch {free} MiB frei.",
    "Sind es keine mehr, kann sich niemand anmelden, und nichts lässt sich sperren.",
    "Platz schaffen.",
  ],
  "disk-low": [
    "Wo der Datenordner liegt, sind noch {free} von {size} MiB frei.",
    "Eine Umstellung und eine Sicherung brauchen noch einmal so viel, wie die Datenbank hat.",
    "Platz schaffen.",
  ],
  "backup-missing": [
    "Von einer Sicherung durch latchkey backup ist nichts bekannt.",
    "Versagt die Platte, sind alle Konten und der Signierschlüssel fort. Kopien auf anderem Weg sind hier nicht bekannt.",
    "Jede Nacht eine machen und auf einer anderen Maschine aufbewahren.",
  ],
  "backup-old": [
    "Die letzte Sicherung ist {days} Tage alt.",
    "Was seither geschah, ist mit der Platte verloren.",
    "Jede Nacht eine machen und auf einer anderen Maschine aufbewahren.",
  ],
  "clock-database": [
    "Die Uhr der Datenbank weicht von der dieser Maschine um {seconds} s ab.",
    "Knoten, deren Uhren eine Minute auseinander sind, lehnen einander die Token ab, und Fristen stimmen nicht.",
    "Beide einem Zeitserver folgen lassen.",
  ],
  "clock-drift": [
    "Die Uhr der Datenbank weicht von der dieser Maschine um {seconds} s ab.",
    "Ein paar Sekunden schaden noch nicht, aber eine der beiden folgt keinem Zeitserver.",
    "Beide einem Zeitserver folgen lassen.",
  ],
  "clock-back": [
    "Was zuletzt geschrieben wurde, trägt eine Zeit, die {seconds} s in der Zukunft liegt.",
    "Die Uhr dieser Maschine geht nach, oder ging vor: Token leben länger, als sie sollen, oder werden abgelehnt.",
    "Die Uhr stellen und einem Zeitserver folgen lassen. Wo das System nicht sagt, ob sie es tut, bleibt dies stehen, bis jene Zeit gekommen ist.",
  ],
  "clock-was-ahead": [
    "Es gibt Ereignisse, die eine Zeit bis zu {seconds} s in der Zukunft tragen; was jetzt geschrieben wird, trägt die richtige.",
    "Die Uhr ging vor und wurde gestellt: Token von damals werden bis zu jener Zeit abgelehnt und leben um so viel länger.",
    "Es ist nichts zu tun, und dies vergeht, wenn jene Zeit gekommen ist. Sollen Token von damals dann nicht wieder gelten, alle Sitzungen beenden.",
  ],
  "passwords-weak": [
    "{count} Konten haben Passwörter, die so gehasht sind: {formats}.",
    "Von allen Formaten hält es einem Dieb der Datenbank am wenigsten stand.",
    "Jedes wird bei der nächsten Anmeldung neu gehasht; wer nicht kommt, dem einen Link für ein neues Passwort schicken.",
  ],
  "passwords-foreign": [
    "{count} Konten haben Passwörter in anderen Formaten: {formats}.",
    "Manche zu prüfen dauert länger als bei Latchkeys eigenem, und jede gescheiterte Anmeldung wartet so lange wie die langsamste, damit sie nichts verrät.",
    "Es ist nichts zu tun: jedes wird bei der nächsten Anmeldung neu gehasht.",
  ],
  "passwords-unreadable": [
    "{count} Konten haben ein Passwort in einem Format, das Latchkey nicht kennt.",
    "Sie können sich nicht anmelden.",
    "Ihnen einen Link für ein neues Passwort schicken.",
  ],

  "postgres-version": [
    "PostgreSQL hat Version {version}; Latchkey ist für {least} und spätere gemacht.",
    "Ältere bekommen bald keine Korrekturen mehr, und geprüft wird mit ihnen nicht.",
    "Aktualisieren.",
  ],
  "postgres-trust": [
    "PostgreSQL lässt {role} ohne Passwort ein (trust).",
    "Wer seinen Port erreicht, hat alle Konten.",
    "Ein Passwort setzen und in pg_hba.conf scram-sha-256 statt trust schreiben; dann neu laden.",
  ],
  "postgres-trust-rules": [
    "pg_hba.conf lässt ohne Passwort ein: {rules}.",
    "Wer dort als eine Rolle hinkommt, die die Datenbank lesen darf, hat alle Konten.",
    "scram-sha-256, oder peer für Sockets, statt trust schreiben; dann neu laden.",
  ],
  "postgres-trust-unknown": [
    "Von hier aus ist nicht zu erkennen, ob PostgreSQL von {role} einen Beweis verlangt.",
    "Vor Version 16 sagt es das nicht, und diese Verbindung hat vielleicht einen Beweis anderer Art.",
    "In pg_hba.conf nachsehen: trust sollte dort nicht stehen.",
  ],
  "postgres-md5": [
    "PostgreSQL bewahrt neue Passwörter als MD5 auf.",
    "Wer sie dort liest, kann sich mit dem Gelesenen anmelden.",
    "password_encryption auf scram-sha-256 setzen, neu laden und das Passwort der Rolle noch einmal setzen.",
  ],
  "postgres-superuser": [
    "Latchkey meldet sich bei PostgreSQL als {role} an, einem Superuser.",
    "Ein Fehler in Latchkey wäre einer im ganzen Server: ein Superuser liest jede Datenbank und startet Programme.",
    "Eine eigene Rolle anlegen; docs/operations.md hat die Anweisungen.",
  ],
  "postgres-powers": ["Die Rolle {role} hat {powers}.", "Latchkey braucht nichts davon.", "Es ihr nehmen."],
  "postgres-owner": [
    "Die Rolle {role} darf Tabellen anlegen und ändern.",
    "Das braucht nur eine Umstellung; ein Server, der nur Zeilen liest und schreibt, kann weniger Schaden anrichten.",
    "Die Tabellen einer anderen Rolle geben, die latchkey migrate ausführt; docs/operations.md hat die Anweisungen.",
  ],
  "postgres-fsync": [
    "PostgreSQL hat fsync = {value}.",
    "Fällt der Strom aus, kann die Datenbank zerstört sein, und gesperrte Token gelten wieder.",
    "fsync auf on setzen und neu laden.",
  ],
  "postgres-full-page-writes": [
    "PostgreSQL hat full_page_writes = {value}.",
    "Fällt der Strom mitten in einer Seite aus, ist die Seite zerstört.",
    "full_page_writes auf on setzen und neu laden.",
  ],
  "postgres-commit": [
    "PostgreSQL hat synchronous_commit = {value}.",
    "Stürzt es ab, sind die letzten Änderungen verloren: ein gesperrtes Token gilt wieder.",
    "synchronous_commit für Latchkeys Rolle auf on setzen, dann Latchkey neu starten: Seine offenen Verbindungen behalten den alten Wert bis zu einer Stunde.",
  ],
  "postgres-commit-local": [
    "PostgreSQL hat synchronous_commit = {value}.",
    "Nach dem Wechsel auf einen Standby sind die letzten Änderungen verloren: ein gesperrtes Token gilt wieder.",
    "synchronous_commit für Latchkeys Rolle auf on setzen, dann Latchkey neu starten: Seine offenen Verbindungen behalten den alten Wert bis zu einer Stunde.",
  ],
  "postgres-sync-retry": [
    "PostgreSQL hat data_sync_retry = {value}.",
    "Nach einem gescheiterten Schreiben macht es weiter, als wäre es gelungen.",
    "data_sync_retry auf off setzen und PostgreSQL neu starten.",
  ],
  "postgres-plain": [
    "Die Verbindung zu PostgreSQL verlässt diese Maschine ohne TLS.",
    "Wer auf dem Weg sitzt, liest Passwort-Hashes und Schlüssel und kann ändern, was geschrieben wird.",
    "PostgreSQL TLS anbieten lassen und sslmode=verify-full an die URL der Datenbank hängen.",
  ],
  "postgres-unverified": [
    "Die Verbindung zu PostgreSQL ist verschlüsselt, aber sein Zertifikat wird nicht geprüft.",
    "Wer auf dem Weg sitzt, kann sich für die Datenbank ausgeben.",
    "sslmode=verify-full und das Zertifikat der Stelle an die URL der Datenbank hängen.",
  ],
  "postgres-read-only": [
    "PostgreSQL ist ein Standby, oder beginnt Sitzungen nur zum Lesen.",
    "Niemand kann sich anmelden, und nichts lässt sich sperren.",
    "Den Primärserver nennen: target_session_attrs=read-write findet ihn unter mehreren.",
  ],
  "postgres-connections": [
    "{nodes} Knoten öffnen je bis zu {each} Verbindungen, und PostgreSQL hat für alle {most}.",
    "Unter Last bekommen manche Anfragen keine, und wer nachsehen will, auch nicht.",
    "postgres.max_conns senken, oder max_connections erhöhen und PostgreSQL neu starten.",
  ],
  "postgres-statement-timeout": [
    "PostgreSQL bricht Anweisungen nach {value} ms ab.",
    "Eine Umstellung dauert länger, eine Liste vieler Konten vielleicht auch. Latchkey hat eigene Grenzen.",
    "Die Grenze für Latchkeys Rolle aufheben, dann Latchkey neu starten: Seine offenen Verbindungen behalten den alten Wert bis zu einer Stunde.",
  ],
  "postgres-pooler": [
    "Vor PostgreSQL steht ein Pooler, und Benachrichtigungen kommen nicht durch ihn hindurch.",
    "Andere Knoten erfahren von einer Sperrung, indem sie jede Sekunde fragen, nicht sofort.",
    "Mit PostgreSQL selbst verbinden, oder den Pooler Sitzungen statt Transaktionen verteilen lassen.",
  ],
  "postgres-archive-off": [
    "PostgreSQL archiviert sein Journal nicht (archive_mode = {value}).",
    "Vielleicht gibt es Dumps, die hier nicht bekannt sind; ohne sie sind mit der Platte alle Konten fort.",
    "Das Journal archivieren, oder die Datenbank jede Nacht sichern.",
  ],
  "postgres-archive-failing": [
    "PostgreSQL konnte sein Journal am {failed} nicht archivieren.",
    "Seither gibt es keine Sicherung, und seine Platte läuft voll.",
    "In seinem Log nachsehen, was archive_command sagt.",
  ],

  "hash-slow": [
    "Ein Passwort zu hashen dauert hier {ms} ms; das macht {rate} Anmeldungen in der Sekunde.",
    "Kommen mehr auf einmal, warten sie, und dann bekommen sie 503.",
    "Mehr oder schnellere Prozessoren geben.",
  ],
  "hash-fast": [
    "Ein Passwort zu hashen dauert hier nur {ms} ms.",
    "Ein Dieb der Datenbank mit so einer Maschine probiert {rate} Passwörter in der Sekunde.",
    "Längere Passwörter verlangen.",
  ],
  "memory-low": [
    "Hashes dürfen zusammen {budget} MiB nehmen, und der Prozess hat {memory} MiB.",
    "Bei einem Ansturm beendet das System den Prozess.",
    "Ihm mindestens {needs} MiB geben; oder den Hashes weniger, wo das reicht.",
  ],
  root: [
    "Der Server läuft als root.",
    "Ein Fehler in ihm wäre einer in der ganzen Maschine.",
    "Ihn als eigenen Benutzer laufen lassen, dem der Datenordner gehört.",
  ],
  "open-files": [
    "Der Prozess darf {files} Dateien und Verbindungen offen haben.",
    "Jeder Client hält eine; darüber hinaus werden neue abgewiesen.",
    "Die Grenze anheben: LimitNOFILE in einer systemd-Unit, --ulimit nofile für einen Container.",
  ],
  "core-dumps": [
    "Stürzt der Prozess ab, wird sein Speicher in eine Datei geschrieben.",
    "Darin stehen der Signierschlüssel und Passwörter dieses Augenblicks.",
    "Abschalten: LimitCORE in einer systemd-Unit, --ulimit core für einen Container.",
  ],
  swap: [
    "Die Maschine darf Speicher auf eine Platte schreiben (Swap).",
    "Schlüssel und Passwörter dieses Augenblicks können dort liegen bleiben.",
    "Den Swap verschlüsseln, oder ihn für diesen Dienst abschalten: MemorySwapMax in einer systemd-Unit.",
  ],
  processors: [
    "Go benutzt {threads} Prozessoren, und der Prozess bekommt {quota}.",
    "Hat er sie verbraucht, wird er eine Weile angehalten, und jede Anfrage wartet.",
    "GOMAXPROCS aus der Umgebung nehmen.",
  ],
};
