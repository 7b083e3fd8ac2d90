fn main() {
    println!("cachat");
}
