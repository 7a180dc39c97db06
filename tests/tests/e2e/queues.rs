//! Order by key: what follows an event that was put aside waits behind it if it has its key.

use e2e::{
    guest_host::example,
    project::{Project, wait_until},
    publisher::Publisher,
};
use serde_json::{Value as Json, json};

/// A feed of two partitions, and `fickle` on it, which puts a user's events behind the one that it cannot apply.
struct World {
    publisher: Publisher,
    project: Project,
    /// Where its state is, as `state scan` asks for it.
    place: &'static [&'static str],
}

impl World {
    fn new(state: &str) -> Self {
        Self::with(state, "")
    }

    /// The same with more settings.
    fn with(state: &str, settings: &str) -> Self {
        let place: &[&str] = if state == "shared" { &[] } else { &["--feed", "orders", "--partition", "0"] };
        let world = Self { publisher: Publisher::start(2, 1), project: Project::new(""), place };
        world.publisher.set_span(2);
        world.project.put("fickle.wasm", &example("rust", "fickle"));
        world.project.configure(&format!(
            "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 2\npoll-interval = \"10ms\"\n\
             [processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\nstate = \"{state}\"\n\
             on-reject = \"park\"\npark = \"key\"\npark-key = \"/user\"\n{settings}\n",
            world.publisher.url()
        ));
        world
    }

    fn publish(&self, events: &[Json]) {
        self.publisher.append(0, events.iter().map(Json::to_string));
    }

    #[track_caller]
    fn wait_for(&self, position: u64) {
        wait_until("the last event", || self.project.partition("fickle", "0")["position"] == position);
    }

    fn parked(&self) -> Vec<Json> {
        let list = self.project.ok(&["parked", "list", "fickle", "--json"]);
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The keys and what they hold, but for what `fickle` counts.
    fn state(&self) -> Vec<(String, String)> {
        let scan = self.project.ok(&[&["state", "scan", "fickle", "--json"], self.place].concat());
        let entries = scan.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let text = |entry: &Json, name: &str| entry[name].as_str().unwrap().to_owned();
        let pairs = entries.map(|entry| (text(&entry, "key"), text(&entry, "value")));
        pairs.filter(|(key, _)| !key.contains('/')).collect()
    }
}

fn put(user: &str, value: &str) -> Json {
    json!({ "do": "put", "user": user, "key": user, "value": value })
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn events_of_a_key_wait_behind_the_parked_one_until_it_is_retried_and_then_follow_in_their_order() {
    for state in ["shared", "partitioned"] {
        let world = World::new(state);
        let broken = json!({ "do": "put", "user": "operator", "key": "broken", "value": "1" });
        let trap = json!({ "do": "trap-if", "user": "ada", "key": "broken" });
        world.publish(&[broken, put("ada", "1"), trap, put("bob", "1"), put("ada", "2"), put("ada", "3")]);
        let mut host = world.project.start();
        world.wait_for(6);
        assert_eq!(world.state(), pairs(&[("ada", "1"), ("bob", "1"), ("broken", "1")]), "{state}");
        let parked = world.parked();
        let first = parked[0]["number"].as_i64().unwrap();
        let behind: Vec<_> =
            parked.iter().map(|event| (event["cause"].as_str().unwrap(), &event["waits-for"])).collect();
        assert_eq!(behind, [("trap", &Json::Null), ("behind", &json!(first)), ("behind", &json!(first))], "{state}");
        assert!(parked.iter().all(|event| event["key"] == "ada"));
        let status = world.project.status();
        let status = &status["processors"][0];
        assert_eq!((&status["parked"], &status["waiting"], &status["held-keys"]), (&json!(3), &json!(2), &json!(1)));

        // Neither the first, which traps again, nor one that is not the first.
        let again = world.project.fails(&["parked", "retry", "fickle", "--all"], 1);
        assert!(again.contains(&format!("{first} stays parked: trap")), "{again}");
        let second = (first + 1).to_string();
        let waits = world.project.fails(&["parked", "retry", "fickle", &second], 1);
        assert!(waits.contains(&format!("{second} waits for {first}, which has the same key")), "{waits}");
        assert_eq!(world.state().len(), 3);

        // What makes it trap goes away; meanwhile more of its key came.
        world.publish(&[put("ada", "4"), json!({ "do": "delete", "user": "operator", "key": "broken" })]);
        world.wait_for(8);
        assert_eq!((world.state(), world.parked().len()), (pairs(&[("ada", "1"), ("bob", "1")]), 4), "{state}");
        assert_eq!(world.project.ok(&["parked", "retry", "fickle", "--key", "ada"]), "4 applied\n");
        assert_eq!(world.state(), pairs(&[("ada", "4"), ("bob", "1")]), "{state}");
        world.publish(&[put("ada", "5"), put("bob", "2")]);
        world.wait_for(10);
        assert_eq!((world.state(), world.parked().len()), (pairs(&[("ada", "5"), ("bob", "2")]), 0), "{state}");
        host.terminate();
        assert!(host.wait().success());
    }
}

/// The key that keeps the order is none of the members that the component is given; nor is what a person looks for in the event.
#[test]
fn a_component_is_given_its_fields_whether_an_event_comes_or_is_retried_and_the_whole_event_is_parked() {
    let world = World::with("shared", "fields = ['do', 'key']");
    let outside = put("ada", "1");
    world.publish(&[outside.clone(), json!({ "do": "delete", "user": "bob", "key": "bob" })]);
    let _host = world.project.start();
    world.wait_for(2);
    let parked = world.parked();
    assert_eq!(parked.len(), 1);
    let number = parked[0]["number"].to_string();
    let shown: Json =
        serde_json::from_str(&world.project.ok(&["parked", "show", "fickle", &number, "--json"])).unwrap();
    assert_eq!((&parked[0]["key"], &shown["payload"]), (&json!("ada"), &json!(outside.to_string())));
    assert!(parked[0]["reason"].as_str().unwrap().contains("missing field `value`"), "{parked:?}");
    let again = world.project.fails(&["parked", "retry", "fickle", "--all"], 1);
    assert!(again.contains("missing field `value`"), "{again}");
}

#[test]
fn a_first_event_that_is_dropped_leaves_those_behind_it_to_be_retried() {
    let world = World::new("shared");
    world.publish(&[json!({ "do": "trap", "user": "ada" }), put("ada", "1"), put("ada", "2"), put("bob", "1")]);
    world.project.run_until_stopped();
    let first = world.parked()[0]["number"].to_string();
    world.project.ok(&["parked", "drop", "fickle", &first]);
    // Nobody asked the component about them: they wait, and so does what comes.
    world.publish(&[put("ada", "3"), put("bob", "2")]);
    world.project.run_until_stopped();
    assert_eq!((world.state(), world.parked().len()), (pairs(&[("bob", "2")]), 3));
    assert_eq!(world.project.ok(&["parked", "retry", "fickle", "--all"]), "3 applied\n");
    assert_eq!(world.state(), pairs(&[("ada", "3"), ("bob", "2")]));
}
