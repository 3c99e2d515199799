"""Two authorities and two providers who share points, people and a database, and must not see each other."""
