use super::read;

#[track_caller]
fn check(text: &str, want: &str) {
    let runs = read(text);
    let mut found: Vec<_> = runs.programs.into_iter().collect();
    if !runs.unclear.is_empty() {
        found.insert(0, "?".to_owned());
    }
    assert_eq!(found.join(" "), want, "{text}");
}

#[test]
fn commands_are_found_wherever_they_stand() {
    check("#!/bin/sh\n# sshd\nexec sshd -D\n", "sshd");
    check("if a; then b && c || d; fi | e & (f)\n", "a b c d e f");
    check(
        "case $1 in\n start) sshd -D ;;\n stop) killall x ;;\nesac\n",
        "killall sshd",
    );
    check("x \\\n  sshd\n", "x");
    check(
        "sshd() { a; }\ncase x in sshd) b;; *) $(c) ;; esac\n",
        "? a b c",
    );
    check("echo $(date) sshd; log `date` sshd\n", "date echo log");
    check(
        "cat <<EOF > /a\nsshd\nEOF\nb 2>/dev/null >c sshd\n",
        "b cat",
    );
    check("echo 'a; sshd' \"b; sshd\"\n", "echo");
}

#[test]
fn variables_stand_for_what_the_script_sets() {
    check("DAEMON=/usr/sbin/sshd\n$DAEMON -D\n", "/usr/sbin/sshd");
    check("D=/usr/sbin; N=sshd\nexec \"${D}/$N\"\n", "/usr/sbin/sshd");
    check(": ${P:=/bin/a}\n$P\n", "/bin/a");
    check("exec ${P:-/bin/a} x\n", "/bin/a");
    check("$OTHER sshd\n", "?");
    check("A='nice -n 5 d'\n$A\n", "d");
}

#[test]
fn scripts_of_each_init_are_understood() {
    check(
        "#!/sbin/openrc-run\ncommand=\"/usr/sbin/sshd\"\n",
        "/usr/sbin/sshd",
    );
    check(
        "#!/sbin/openrc-run\ncommand=\"${SSHD:-/usr/sbin/sshd}\"\n",
        "/usr/sbin/sshd",
    );
    check(
        "#!/lib/init/init-d-script\nDAEMON=/usr/sbin/d\n",
        "/usr/sbin/d",
    );
    check(
        "#!/bin/sh /etc/rc.common\nPROG=/usr/sbin/dropbear\ns() {\n\tprocd_set_param command \"$PROG\" -F\n}\n",
        "/usr/sbin/dropbear",
    );
    check(
        "DAEMON=/usr/sbin/d\nstart() {\n start-stop-daemon -S -q -x $DAEMON -- $A || exit 1\n}\nstop() { start-stop-daemon -K -x $DAEMON; }\n",
        "/usr/sbin/d exit",
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(parts in proptest::collection::vec(proptest::sample::select(vec![
        "$", "{", "}", "(", ")", "'", "\"", "\\", "\n", "<<", "EOF", "A=", "$A", "sh -c ", ";", "#", " ", "exec ", "ä",
    ]), 0..60)) {
        read(&parts.concat());
    }

    #[test]
    fn values_do_not_grow_without_end(count in 1_usize..60) {
        let doubling: String = (0..count).map(|_| "A=$A$A$A$A\n").collect();
        read(&format!("A=xxxxxxxxxxxxxxxx\n{doubling}$A\n"));
    }
}
